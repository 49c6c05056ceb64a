-- Points of track envelopes go along with stems that a conform moves where REAPER itself would take them along: with the
-- option "Move envelope points with items". What a script does to an item moves none.

return function()
  local track_envelopes = {}

  local MOVE_WITH_ITEMS = 40070 -- Options: Move envelope points with media items

  -- Doubles that went through a project file differ by less than this; a sample at 192 kHz is 5.2e-6 s.
  local SAME_S = 1e-7

  function track_envelopes.go_along()
    return reaper.GetToggleCommandState(MOVE_WITH_ITEMS) == 1
  end

  -- How the sound of an item at `position_s` moves with the parts that a plan makes of it: where each part lies until then,
  -- and how much later it lies afterwards.
  function track_envelopes.list_shifts(position_s, length_s, parts)
    local shifts = {}
    for _, part in ipairs(parts) do
      local from_s = position_s + part.head_s
      shifts[#shifts + 1] = {
        from_s = math.max(from_s, position_s),
        until_s = math.min(from_s + part.length_s, position_s + length_s),
        shift_s = part.position_s - from_s,
      }
    end
    return shifts
  end

  local function read_points(envelope)
    local points = {}
    for index = 0, reaper.CountEnvelopePoints(envelope) - 1 do
      points[index + 1] = { select(2, reaper.GetEnvelopePoint(envelope, index)) }
    end
    return points
  end

  local function write_points(envelope, before, points)
    if #before > 0 then
      reaper.DeleteEnvelopePointRange(envelope, before[1][1] - 1, before[#before][1] + 1)
    end
    for _, point in ipairs(points) do
      reaper.InsertEnvelopePoint(envelope, point[1], point[2], point[3], point[4], point[5], true)
    end
    reaper.Envelope_SortPoints(envelope)
  end

  local function is_within(time_s, range, shift_s)
    return time_s >= range.from_s + shift_s - SAME_S and time_s < range.until_s + shift_s - SAME_S
  end

  -- The points of an envelope after `shifts`: those under a part go with it, and take the place of those where it goes.
  local function shift_points(points, shifts)
    local shifted, is_changed = {}, false
    for _, point in ipairs(points) do
      local is_moved, is_covered, stays = false, false, false
      for _, range in ipairs(shifts) do
        local is_still = math.abs(range.shift_s) < SAME_S
        if is_within(point[1], range, 0) then
          if is_still then
            stays = true
          else
            is_moved = true
            shifted[#shifted + 1] = { point[1] + range.shift_s, select(2, table.unpack(point)) }
          end
        elseif not is_still and is_within(point[1], range, range.shift_s) then
          is_covered = true
        end
      end
      if stays or not (is_moved or is_covered) then shifted[#shifted + 1] = point end
      is_changed = is_changed or is_moved
    end
    return is_changed and shifted or nil
  end

  local function each_envelope(track)
    local index = -1
    return function()
      index = index + 1
      return index < reaper.CountTrackEnvelopes(track) and reaper.GetTrackEnvelope(track, index) or nil
    end
  end

  -- Moves the points of all envelopes of a track along with `shifts`.
  function track_envelopes.shift(track, shifts, journal)
    for envelope in each_envelope(track) do
      local before = read_points(envelope)
      local after = shift_points(before, shifts)
      if after then
        journal[#journal + 1] = function() write_points(envelope, read_points(envelope), before) end
        write_points(envelope, before, after)
      end
    end
  end

  -- Whether `shifts` would move points of a track's envelopes, and whether it has automation items.
  function track_envelopes.find_affected(track, shifts)
    local has_points, has_automation_items = false, false
    for envelope in each_envelope(track) do
      has_points = has_points or shift_points(read_points(envelope), shifts) ~= nil
      has_automation_items = has_automation_items or reaper.CountAutomationItems(envelope) > 0
    end
    return has_points, has_automation_items
  end

  return track_envelopes
end
