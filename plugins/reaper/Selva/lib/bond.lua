-- What ties a stem to its picture after it was placed, kept in the stem item itself (P_EXT), so that it can be brought
-- back to its picture in any later session.
--
-- A stem's origin is where sample 0 of its file lies on the timeline, whatever was trimmed off; `source_s` is the time of
-- the picture's source that is seen there. Both clocks are linear, so two numbers say it all.

return function(selva)
  local json = selva.import("json")

  local bond = {}

  local MARK = "P_EXT:selva"

  local function write(item, values)
    reaper.GetSetMediaItemInfo_String(item, MARK, json.encode(values), true)
  end

  -- Where sample 0 of the active take's file lies; nil for an item without takes.
  function bond.read_origin(item)
    local take = reaper.GetActiveTake(item)
    if not take then return nil end
    return reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      - reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") / reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  end

  -- Ties a stem that was just placed. `placed` is a placement of the plan, with the picture item as it was when asked.
  function bond.tie(item, placed)
    local anchor = placed.anchor
    local values = { cue = placed.cue, label = placed.label, stem_track = placed.stem_track }
    if anchor ~= json.null then
      local planned_origin_s = placed.start_s - placed.source_offset_s
      values.picture = {
        item_guid = anchor.item_guid,
        picture_key = anchor.picture_key,
        play_rate = anchor.play_rate,
        source_s = anchor.start_offset_s + (planned_origin_s - anchor.position_s) * anchor.play_rate,
      }
      values.origin_s = bond.read_origin(item)
    end
    write(item, values)
  end

  -- What `tie` wrote, or nil for an item that is no stem of ours or knows no picture.
  function bond.read(item)
    local _, text = reaper.GetSetMediaItemInfo_String(item, MARK, "", false)
    local values = text ~= "" and json.decode(text)
    return type(values) == "table" and type(values.picture) == "table" and values or nil
  end

  -- Moves a stem so that its origin lies at `origin_s`, edges and takes as they are; from now on it belongs to that item.
  function bond.move(item, values, origin_s, item_guid)
    local position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
    reaper.SetMediaItemInfo_Value(item, "D_POSITION", position_s + origin_s - bond.read_origin(item))
    values.origin_s = origin_s
    values.picture.item_guid = item_guid
    write(item, values)
  end

  return bond
end
