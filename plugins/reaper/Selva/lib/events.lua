-- "Mark sounds in selected stem items": the bridge finds where sounds begin in the files of the items, and each gets a take
-- marker there. Only stems of ours are marked, all in one undo step.

return function(selva)
  local bridge = selva.import("bridge")
  local native = selva.import("native")
  local project = selva.import("project")

  local events = {}

  local GIVE_UP_S = 120

  -- Take markers count seconds of the source. Two that lie closer are the same: the level is known every 10 ms.
  local SAME_S = 0.005

  local function has_marker(take, source_s)
    for index = 0, reaper.GetNumTakeMarkers(take) - 1 do
      if math.abs(reaper.GetTakeMarker(take, index) - source_s) < SAME_S then return true end
    end
    return false
  end

  -- The active take of an item, nil when another take is active now than when the request was written.
  local function find_take(item, take_guid)
    local take = item and reaper.GetActiveTake(item)
    if not take then return nil end
    local _, guid = reaper.GetSetMediaItemTakeInfo_String(take, "GUID", "", false)
    return guid == take_guid and take or nil
  end

  local function mark(proj, entries)
    local by_guid, num_markers = native.index_items(proj), 0
    for _, entry in ipairs(entries) do
      local take = find_take(by_guid[entry.item_guid], entry.take_guid)
      for _, event in ipairs(take and entry.events or {}) do
        if not has_marker(take, event[1]) then
          reaper.SetTakeMarker(take, -1, event[2], event[1])
          num_markers = num_markers + 1
        end
      end
    end
    return num_markers
  end

  -- Sets the markers of a plan as one undo step; returns a sentence about it.
  function events.apply(proj, entries)
    reaper.Undo_BeginBlock2(proj)
    local ok, result = pcall(mark, proj, entries)
    reaper.Undo_EndBlock2(proj, ok and "Selva: mark sounds" or "Selva: marking sounds failed", -1)
    reaper.UpdateArrange()
    if not ok then return "The sounds could not be marked: " .. tostring(result) end
    return string.format("%d sound%s marked in %d item%s.",
      result, result == 1 and " was" or "s were", #entries, #entries == 1 and "" or "s")
  end

  -- Waits for the bridge's answer in `folder`, then marks. `show` is called with what there is to say.
  function events.watch(proj, folder, show)
    local begun_s = reaper.time_precise()
    local function tick()
      local status = bridge.read_status(folder)
      if status and status.state == "failed" then return show(status.error.message) end
      if status and status.state == "ready" then
        local plan, problem = bridge.read_plan(folder)
        if not plan then return show("The answer of the bridge cannot be read: " .. tostring(problem)) end
        if not project.is_open(proj) then return show("The project was closed meanwhile.") end
        return show(events.apply(proj, plan.placements))
      end
      if reaper.time_precise() - begun_s > GIVE_UP_S then
        return show("The bridge does not answer. Its log lies in " .. folder)
      end
      reaper.defer(tick)
    end
    reaper.defer(tick)
  end

  return events
end
