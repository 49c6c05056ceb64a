-- Makes a stem item longer: its takes go on in longer files, or a longer take joins them, and its edges are drawn out.
--
-- The samples that were heard stay where they are. A longer file begins `head_s` seconds before the one that it goes on
-- from, so that offsets and take markers, which count from the start of a file, move by that; points of envelopes count
-- from the start of the item.

return function(selva)
  local anchor = selva.import("anchor")
  local json = selva.import("json")
  local native = selva.import("native")
  local pan = selva.import("pan")

  local longer = {}

  local MARK = "P_EXT:selva"

  -- Doubles that went through a project file differ by less than this; a sample at 192 kHz is 5.2e-6 s.
  local SAME_S = 1e-7

  local function is_same(one, other)
    return math.abs(one - other) < SAME_S
  end

  local function read_span(item)
    local take = reaper.GetActiveTake(item)
    if not take then return nil end
    return {
      position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
      length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
      offset_s = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS"),
      play_rate = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE"),
    }
  end

  -- The take of an item that plays a file, or nil.
  local function find_take(item, file)
    for index = 0, reaper.CountTakes(item) - 1 do
      local take = reaper.GetTake(item, index)
      local source = take and reaper.GetMediaItemTake_Source(take)
      if source and native.source_file(source) == file then return take end
    end
    return nil
  end

  -- Why an item cannot be made longer as planned, or nil. `shift_s` is by how much its picture has moved since;
  -- `is_anywhere` for an item that goes where it was planned, wherever it lies now.
  function longer.find_change(stem, shift_s, is_anywhere)
    local now, planned = read_span(stem.item), stem.longer
    if not now then return "it has no take any more" end
    if native.is_locked(stem.item) then return "its item is locked" end
    if not is_same(now.play_rate, 1) then return "its take plays at another rate now" end
    local is_in_place = is_same(now.position_s, planned.position_s)
      or is_same(now.position_s, planned.position_s + shift_s)
    local is_untouched = is_in_place and is_same(now.length_s, planned.length_s)
      and is_same(now.offset_s, planned.source_offset_s)
    if not is_anywhere and not is_untouched then
      return "the stem was moved, trimmed or slipped since"
    end
    for _, take in ipairs(stem.takes) do
      if take.replaces_file ~= json.null and not find_take(stem.item, take.replaces_file) then
        return "one of its takes is gone"
      end
    end
    return nil
  end

  -- Trims `head_s` seconds off the sound of every take of an item, or adds them where it is negative, with the points of
  -- take envelopes where they were heard. The item does not move.
  function longer.trim_head(item, head_s)
    for index = 0, reaper.CountTakes(item) - 1 do
      local take = reaper.GetTake(item, index)
      if take then
        local shift = head_s * reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
        local offset = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
        reaper.SetMediaItemTakeInfo_Value(take, "D_STARTOFFS", offset + shift)
        native.shift_envelopes(take, -shift)
      end
    end
    local snap_offset = reaper.GetMediaItemInfo_Value(item, "D_SNAPOFFSET")
    reaper.SetMediaItemInfo_Value(item, "D_SNAPOFFSET", math.max(0, snap_offset - head_s))
  end

  -- From the last to the first: none passes another.
  local function shift_take_markers(take, head_s)
    for index = reaper.GetNumTakeMarkers(take) - 1, 0, -1 do
      local position_s, name, colour = reaper.GetTakeMarker(take, index)
      reaper.SetTakeMarker(take, index, name, position_s + head_s, colour)
    end
  end

  local function set_source(take, planned_take)
    local before = reaper.GetMediaItemTake_Source(take)
    if not reaper.SetMediaItemTake_Source(take, planned_take.source) then
      error("REAPER refused the stem " .. planned_take.file, 0)
    end
    planned_take.is_used = true
    reaper.PCM_Source_Destroy(before) -- it has no take any more
  end

  -- Takes that do not go on begin so much later than those that do.
  local function delay_others(item, planned_takes, head_s)
    local goes_on = {}
    for _, planned_take in ipairs(planned_takes) do
      if planned_take.replaces_file ~= json.null then goes_on[planned_take.replaces_file] = true end
    end
    for index = 0, reaper.CountTakes(item) - 1 do
      local take = reaper.GetTake(item, index)
      local source = take and reaper.GetMediaItemTake_Source(take)
      if source and not goes_on[native.source_file(source)] then
        anchor.write_delay(take, anchor.read_delay(take) + head_s)
      end
    end
  end

  local function continue_take(item, planned_take, head_s, heard)
    local take = find_take(item, planned_take.replaces_file)
    set_source(take, planned_take)
    local offset = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
    reaper.SetMediaItemTakeInfo_Value(take, "D_STARTOFFS", offset + head_s)
    if head_s > 0 then shift_take_markers(take, head_s) end
    reaper.GetSetMediaItemTakeInfo_String(take, MARK, json.encode(planned_take.recipe), true)
    pan.go_on(item, take, planned_take.pan, heard)
  end

  -- Makes the item of `stem` longer, with `add_take(item, planned_take, values)` for takes that join the others.
  function longer.apply(stem, add_take, journal)
    local item, span, head_s = stem.item, stem.span, stem.longer.head_s
    local _, chunk = reaper.GetItemStateChunk(item, "", false)
    journal[#journal + 1] = function() reaper.SetItemStateChunk(item, chunk, false) end
    local before, delay_s = read_span(item), anchor.read_delay(reaper.GetActiveTake(item))
    if #stem.takes > 0 and head_s > 0 then delay_others(item, stem.takes, head_s) end
    -- What is cut off the head, counted in the file that is there: less than nothing where it goes on before its start.
    longer.trim_head(item, span.offset_s - head_s - before.offset_s)
    reaper.SetMediaItemInfo_Value(item, "D_POSITION", span.start_s)
    reaper.SetMediaItemInfo_Value(item, "D_LENGTH", span.length_s)
    local heard = { from_s = before.offset_s + head_s, until_s = before.offset_s + head_s + before.length_s }
    local first, added = nil, {}
    for _, planned_take in ipairs(stem.takes) do
      if planned_take.replaces_file ~= json.null then
        continue_take(item, planned_take, head_s, heard)
      else
        local take = add_take(item, planned_take, { D_STARTOFFS = span.offset_s, D_PLAYRATE = 1 })
        anchor.write_delay(take, delay_s)
        added[#added + 1] = planned_take
        first = first or take
      end
    end
    if first then reaper.SetActiveTake(first) end
    anchor.lengthen(item, #stem.takes > 0 and head_s or 0)
    if #added > 0 then pan.write(item, added) end
    return item
  end

  return longer
end
