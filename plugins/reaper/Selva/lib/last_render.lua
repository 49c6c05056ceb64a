-- The cut at the last render or conform, kept in the project itself and so undone with it: every item with a picture,
-- where it lay and what it showed. Stems know their own pictures (anchor.lua); this list says which other shots were
-- there, so that a conform can tell a new shot from one that never had a stem.
--
-- The text is kept in parts: how long a line of a project file may be is not documented.

return function(selva)
  local json = selva.import("json")
  local native = selva.import("native")
  local project = selva.import("project")
  local snapshot = selva.import("snapshot")

  local last_render = {}

  local KEY = "last_render"
  local PART_BYTES = 4000

  local function list_pictures(proj)
    local keys, key_numbers, items = json.array(), {}, json.array()
    for _, item in ipairs(snapshot.list_picture_items(proj)) do
      local take = reaper.GetActiveTake(item)
      local key = snapshot.picture_key(take)
      if not key_numbers[key] then
        keys[#keys + 1] = key
        key_numbers[key] = #keys
      end
      items[#items + 1] = json.array({
        native.item_guid(item), key_numbers[key] - 1, reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
        reaper.GetMediaItemInfo_Value(item, "D_LENGTH"), reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS"),
        reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE"),
      })
    end
    return { schema = "selva.last_render/1", picture_keys = keys, items = items }
  end

  local function count_parts(proj)
    return math.floor(tonumber(project.read_text(proj, KEY) or "") or 0)
  end

  -- Must run inside an undo block.
  function last_render.write(proj)
    local text = json.encode(list_pictures(proj))
    local before, number = count_parts(proj), 0
    for first = 1, #text, PART_BYTES do
      number = number + 1
      project.write_text(proj, KEY .. "_" .. number, text:sub(first, first + PART_BYTES - 1))
    end
    for left = number + 1, before do project.write_text(proj, KEY .. "_" .. left, "") end
    project.write_text(proj, KEY, tostring(number))
  end

  -- The text that `write` left; "" in a project whose stems were placed by an earlier version.
  function last_render.read(proj)
    local parts = {}
    for number = 1, count_parts(proj) do
      parts[number] = project.read_text(proj, KEY .. "_" .. number) or ""
    end
    return table.concat(parts)
  end

  return last_render
end
