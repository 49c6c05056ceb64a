-- Pan envelopes of takes. ReaScript can change an envelope that is there and has no function that makes one, so they are
-- written into the item's chunk, all of a placement in one go.
--
-- The points of a plan are seconds of the take's file and pan, -1 left, 1 right. Those of an envelope are seconds after the
-- item's start, times the play rate, and run the other way than REAPER's pan controls: 1 is left.

return function(selva)
  local json = selva.import("json")

  local pan = {}

  local HEAD = { "<PANENV", "ACT 1 -1", "VIS 1 1 1", "LANEHEIGHT 0 0", "ARM 0", "DEFSHAPE 0 -1 -1" }

  -- The value at a time, on the straight line between its neighbours.
  local function value_at(points, time_s)
    local before = points[1]
    for _, point in ipairs(points) do
      if point[1] >= time_s then
        if point[1] == before[1] then return point[2] end
        return before[2] + (point[2] - before[2]) * (time_s - before[1]) / (point[1] - before[1])
      end
      before = point
    end
    return before[2]
  end

  -- The part of a curve that lasts `length_s` from `start_s` on: a point at its start, one at its end, and those in between.
  local function cut(points, start_s, length_s)
    local part = { { 0, value_at(points, start_s) } }
    for _, point in ipairs(points) do
      local time_s = point[1] - start_s
      if time_s > 0 and time_s < length_s then part[#part + 1] = { time_s, point[2] } end
    end
    part[#part + 1] = { length_s, value_at(points, start_s + length_s) }
    return part
  end

  local function write_envelope(lines, item, take, points)
    local rate = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
    local start_s = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
    local length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH") * rate
    for _, line in ipairs(HEAD) do lines[#lines + 1] = line end
    for _, point in ipairs(cut(points, start_s, length_s)) do
      -- json writes a decimal point in every locale.
      lines[#lines + 1] = string.format("PT %s %s 0", json.encode(point[1]), json.encode(-point[2]))
    end
    lines[#lines + 1] = ">"
  end

  -- The chunk of an item with the envelopes in `points_of`, by the index of their take. An envelope stands behind the source
  -- of its take; a line TAKE begins the next take.
  local function with_envelopes(item, chunk, points_of)
    local lines, depth, index, is_source = {}, 0, 0, false
    for line in chunk:gmatch("[^\r\n]+") do
      lines[#lines + 1] = line
      if line:match("^%s*<") then
        is_source = is_source or (depth == 1 and line:match("^%s*<SOURCE%f[%W]") ~= nil)
        depth = depth + 1
      elseif line:match("^%s*>%s*$") then
        depth = depth - 1
        if depth == 1 and is_source then
          is_source = false
          if points_of[index] then write_envelope(lines, item, reaper.GetTake(item, index), points_of[index]) end
        end
      elseif depth == 1 and line:match("^%s*TAKE%f[%W]") then
        index = index + 1
      end
    end
    return table.concat(lines, "\n") .. "\n"
  end

  -- Gives the last takes of an item, those of `planned_takes`, the pan envelopes that the plan has for them. Takes and
  -- sources of the item are others afterwards: `source` of each planned take is set to the one it has then.
  function pan.write(item, planned_takes)
    local first = reaper.CountTakes(item) - #planned_takes
    local points_of, is_needed = {}, false
    for number, planned_take in ipairs(planned_takes) do
      local points = planned_take.pan
      if type(points) == "table" and #points > 0 then
        points_of[first + number - 1] = points
        is_needed = true
      end
    end
    if not is_needed then return end
    local ok, chunk = reaper.GetItemStateChunk(item, "", false)
    if not ok or not reaper.SetItemStateChunk(item, with_envelopes(item, chunk, points_of), false) then
      error("REAPER refused the pan of " .. planned_takes[1].file, 0)
    end
    for number, planned_take in ipairs(planned_takes) do
      planned_take.source = reaper.GetMediaItemTake_Source(reaper.GetTake(item, first + number - 1))
    end
  end

  -- Adds to the pan envelope of a take what `points` say of a file that went on, before and after what was heard of it: the
  -- curve in between may be the user's by now. A take without such an envelope gets none.
  function pan.go_on(item, take, points, heard)
    local envelope = reaper.GetTakeEnvelopeByName(take, "Pan")
    if not envelope or type(points) ~= "table" or #points == 0 then return end
    local start_s = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS")
    for _, point in ipairs(cut(points, start_s, reaper.GetMediaItemInfo_Value(item, "D_LENGTH"))) do
      local in_file_s = point[1] + start_s
      if in_file_s < heard.from_s or in_file_s > heard.until_s then
        reaper.InsertEnvelopePoint(envelope, point[1], -point[2], 0, 0, false, true)
      end
    end
    reaper.Envelope_SortPoints(envelope)
  end

  return pan
end
