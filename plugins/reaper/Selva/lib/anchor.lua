-- What anchors a stem to its picture, kept in the stem item itself (P_EXT:selva), so that "Move stems to their picture"
-- works in any later session.
--
-- A stem's origin is where sample 0 of its longest file lies on the timeline, whatever was trimmed off; `source_s` is the
-- time of the picture's source that is seen there. Both clocks are linear, so these numbers and the play rate are enough.
--
-- The keys lie in projects of earlier versions: they stay as they are.

return function(selva)
  local json = selva.import("json")

  local anchor = {}

  local MARK = "P_EXT:selva"
  local DELAY_MARK = "P_EXT:selva_delay" -- in a take

  local function write(item, values)
    reaper.GetSetMediaItemInfo_String(item, MARK, json.encode(values), true)
  end

  -- By how many seconds of it the file of a take begins after the origin of its item: takes that were there before a longer
  -- one joined them begin later than it.
  function anchor.read_delay(take)
    local _, text = reaper.GetSetMediaItemTakeInfo_String(take, DELAY_MARK, "", false)
    return tonumber(text) or 0
  end

  function anchor.write_delay(take, delay_s)
    local text = delay_s ~= 0 and json.encode(delay_s) or "" -- json writes a decimal point in every locale
    if text == "" and anchor.read_delay(take) == 0 then return end
    reaper.GetSetMediaItemTakeInfo_String(take, DELAY_MARK, text, true)
  end

  -- Where the origin lies, by the active take; nil for an item without takes.
  function anchor.read_origin(item)
    local take = reaper.GetActiveTake(item)
    if not take then return nil end
    local offset_s = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") + anchor.read_delay(take)
    return reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      - offset_s / reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  end

  -- Anchors a stem that was just placed. `planned` is its entry in the plan, with the picture item as it was when the
  -- request was written; an entry without one is only marked as ours. `planned.shot` is what that item shows now, in seconds
  -- of its source: by it a conform sees which edges of the stem are edges of its shot.
  function anchor.write(item, planned)
    local picture = planned.anchor
    local values = { cue = planned.cue, label = planned.label, stem_track = planned.stem_track }
    if picture ~= json.null then
      local planned_origin_s = planned.start_s - planned.source_offset_s
      values.picture = {
        item_guid = picture.item_guid,
        picture_key = picture.picture_key,
        play_rate = picture.play_rate,
        source_s = picture.start_offset_s + (planned_origin_s - picture.position_s) * picture.play_rate,
        shot = planned.shot or { start_offset_s = picture.start_offset_s, length_s = picture.length_s },
      }
      values.origin_s = anchor.read_origin(item)
    end
    write(item, values)
  end

  -- What `write` left, and its text; nil for an item that is no stem of ours or has no picture.
  function anchor.read(item)
    local _, text = reaper.GetSetMediaItemInfo_String(item, MARK, "", false)
    local values = text ~= "" and json.decode(text)
    if type(values) ~= "table" or type(values.picture) ~= "table" then return nil end
    return values, text
  end

  -- Anchors a stem to where a conform has put it: `conformed` holds item_guid, picture_key, origin_s and shot.
  function anchor.conform(item, conformed)
    local values = anchor.read(item)
    values.origin_s = conformed.origin_s
    values.picture.item_guid, values.picture.picture_key = conformed.item_guid, conformed.picture_key
    values.picture.shot = conformed.shot
    write(item, values)
  end

  -- Notes that the files of a stem begin `head_s` seconds before those that it was anchored with, and where they lie now.
  function anchor.lengthen(item, head_s)
    local values = anchor.read(item)
    if not values then return end
    values.origin_s = anchor.read_origin(item)
    values.picture.source_s = values.picture.source_s - head_s * values.picture.play_rate
    write(item, values)
  end

  -- Moves a stem so that its origin lies at `origin_s`, with its edges and takes as they are, and anchors it to that item.
  function anchor.move(item, values, origin_s, item_guid)
    local position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
    reaper.SetMediaItemInfo_Value(item, "D_POSITION", position_s + origin_s - anchor.read_origin(item))
    values.origin_s = origin_s
    values.picture.item_guid = item_guid
    write(item, values)
  end

  return anchor
end
