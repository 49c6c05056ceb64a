-- "Conform stems to this cut": the bridge compares the cut with the last render and answers with what is to be done; here it
-- is shown, and done after the user's yes. Stem items are moved and trimmed themselves, never made anew, so that takes,
-- effects, envelopes, fades, gain and mutes stay. Nothing but our own stems is changed, all of it in one undo step.

return function(selva)
  local anchor = selva.import("anchor")
  local bridge = selva.import("bridge")
  local json = selva.import("json")
  local last_render = selva.import("last_render")
  local longer = selva.import("longer")
  local native = selva.import("native")
  local project = selva.import("project")
  local snapshot = selva.import("snapshot")
  local track_envelopes = selva.import("track_envelopes")
  local tracks = selva.import("tracks")

  local conform = {}

  local GIVE_UP_S = 600
  local UNDO_LABEL = "Selva: conform stems to this cut"
  local YES, NO = 6, 7

  -- Doubles that went through a project file differ by less than this; a sample at 192 kHz is 5.2e-6 s.
  local SAME_S = 1e-7

  -- Moving and trimming --------------------------------------------------------------------------------------------

  local function set_part(item, part)
    if math.abs(part.head_s) >= SAME_S then longer.trim_head(item, part.head_s) end
    reaper.SetMediaItemInfo_Value(item, "D_POSITION", part.position_s)
    reaper.SetMediaItemInfo_Value(item, "D_LENGTH", part.length_s)
    if not part.keeps_fade_in then reaper.SetMediaItemInfo_Value(item, "D_FADEINLEN", 0) end
    if not part.keeps_fade_out then reaper.SetMediaItemInfo_Value(item, "D_FADEOUTLEN", 0) end
    anchor.conform(item, part.anchor)
  end

  -- A copy has identities of its own: those of items, takes, effects and envelopes, each at the start of a line.
  local function with_new_guids(chunk)
    local function replace(head) return head .. native.new_guid() end
    local text = "\n" .. chunk
    text = text:gsub("(\n%s*[IE]?GUID )%b{}", replace):gsub("(\n%s*FXID )%b{}", replace)
    return text:sub(2)
  end

  local function add_copy(item, chunk, journal)
    local track = reaper.GetMediaItem_Track(item)
    local copy = reaper.AddMediaItemToTrack(track)
    journal[#journal + 1] = function() reaper.DeleteTrackMediaItem(track, copy) end
    if not reaper.SetItemStateChunk(copy, with_new_guids(chunk), false) then
      error("REAPER refused the copy of a stem", 0)
    end
    return copy
  end

  local function group_of(item)
    return item and reaper.GetMediaItemInfo_Value(item, "I_GROUPID") or 0
  end

  -- A stem that was grouped with its picture is grouped with the one that it goes with now; its copies are in no other
  -- group, or moving one part would move them all.
  local function regroup(move, moved, by_guid, old_picture)
    local group = group_of(moved[1])
    if group == 0 then return end
    local goes_with_picture = group_of(old_picture) == group
    for index, item in ipairs(moved) do
      local new_group = goes_with_picture and group_of(by_guid[move.parts[index].anchor.item_guid]) or 0
      if index > 1 or goes_with_picture then reaper.SetMediaItemInfo_Value(item, "I_GROUPID", new_group) end
    end
  end

  -- An automatic cross-fade ends where its items meet no more; REAPER sees that only when the user edits them.
  local function end_cross_fades(moved, overlapping)
    for _, item in ipairs(moved) do
      if not overlapping[native.item_guid(item)] then
        for _, name in ipairs({ "D_FADEINLEN_AUTO", "D_FADEOUTLEN_AUTO" }) do
          if reaper.GetMediaItemInfo_Value(item, name) > 0 then reaper.SetMediaItemInfo_Value(item, name, -1) end
        end
      end
    end
  end

  -- Does one move of the plan; returns the items that lie elsewhere now.
  local function move_stem(move, item, journal)
    local ok, chunk = reaper.GetItemStateChunk(item, "", false)
    if not ok then error("REAPER does not give the state of a stem", 0) end
    local moved = { item }
    for index = 2, #move.parts do moved[index] = add_copy(item, chunk, journal) end
    journal[#journal + 1] = function() reaper.SetItemStateChunk(item, chunk, false) end
    for index, part in ipairs(move.parts) do set_part(moved[index], part) end
    return moved
  end

  local function remove_stem(item, journal)
    local track = reaper.GetMediaItem_Track(item)
    local ok, chunk = reaper.GetItemStateChunk(item, "", false)
    if not ok or not reaper.DeleteTrackMediaItem(track, item) then error("REAPER refused to remove a stem", 0) end
    journal[#journal + 1] = function()
      reaper.SetItemStateChunk(reaper.AddMediaItemToTrack(track), chunk, false)
    end
  end

  -- Moves stems that have come to lie over others to another track of theirs. `were_overlapping` lie so on purpose.
  local function part_overlapping(proj, moved, were_overlapping, journal)
    local overlapping = tracks.find_overlapping(proj)
    for _, item in ipairs(moved) do
      local guid = native.item_guid(item)
      -- The one that was moved off before may have been what this one lay over.
      if overlapping[guid] and not were_overlapping[guid] and tracks.find_overlapping(proj)[guid] then
        local values = anchor.read(item)
        local start_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
        local end_s = start_s + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
        local before = reaper.GetMediaItem_Track(item)
        local track = tracks.ensure_stem_track(proj, values.stem_track, start_s, end_s, nil, journal)
        reaper.MoveMediaItemToTrack(item, track)
        journal[#journal + 1] = function() reaper.MoveMediaItemToTrack(item, before) end
      end
    end
  end

  local function add_markers(proj, markers)
    for _, marker in ipairs(markers) do
      reaper.AddProjectMarker2(proj, false, marker.position_s, 0, marker.name, -1, 0)
    end
  end

  -- How the stems of a plan move, by their tracks: a list of { track, shifts }.
  local function list_shifts(plan, by_guid)
    local list, by_track = {}, {}
    for _, move in ipairs(plan.moves) do
      local item = by_guid[move.item_guid]
      local track = reaper.GetMediaItem_Track(item)
      local entry = by_track[track]
      if not entry then
        entry = { track = track, shifts = {} }
        by_track[track], list[#list + 1] = entry, entry
      end
      local position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      local length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
      for _, shift in ipairs(track_envelopes.list_shifts(position_s, length_s, move.parts)) do
        entry.shifts[#entry.shifts + 1] = shift
      end
    end
    return list
  end

  -- Returns the GUIDs of the parts that each stem has become, by the GUID of its item.
  local function edit(proj, plan, marks, journal)
    local by_guid, parts = native.index_items(proj), {}
    local were_overlapping, moved = tracks.find_overlapping(proj), {}
    if track_envelopes.go_along() then
      for _, entry in ipairs(list_shifts(plan, by_guid)) do
        track_envelopes.shift(entry.track, entry.shifts, journal)
      end
    end
    for _, move in ipairs(plan.moves) do
      parts[move.item_guid] = json.array()
      local stem = by_guid[move.item_guid]
      local old_picture = by_guid[anchor.read(stem).picture.item_guid]
      local own = move_stem(move, stem, journal)
      regroup(move, own, by_guid, old_picture)
      for index, item in ipairs(own) do
        moved[#moved + 1] = item
        parts[move.item_guid][index] = native.item_guid(item)
      end
    end
    for _, removal in ipairs(plan.removals) do
      remove_stem(by_guid[removal.item_guid], journal)
    end
    part_overlapping(proj, moved, were_overlapping, journal)
    end_cross_fades(moved, tracks.find_overlapping(proj))
    if marks then add_markers(proj, plan.markers) end
    last_render.write(proj)
    return parts
  end

  -- Does what a plan says, as one undo step. Returns what `edit` does, or nil and the reason after everything was reverted.
  function conform.apply(proj, plan, marks)
    local journal = {}
    reaper.Undo_BeginBlock2(proj)
    reaper.PreventUIRefresh(1)
    local ok, result = pcall(edit, proj, plan, marks, journal)
    if not ok then
      for index = #journal, 1, -1 do journal[index]() end
    end
    reaper.PreventUIRefresh(-1)
    reaper.Undo_EndBlock2(proj, ok and UNDO_LABEL or "Selva: conforming failed, nothing changed", -1)
    reaper.TrackList_AdjustWindows(false)
    reaper.UpdateArrange()
    if not ok then return nil, tostring(result) end
    return result
  end

  -- The dialog -----------------------------------------------------------------------------------------------------

  local function show_list(plan)
    reaper.ShowConsoleMsg("Selva: conform stems to this cut\n" .. plan.table .. "\n")
  end

  -- How many items lie on the stem tracks that Selva did not make.
  local function count_foreign_items(proj)
    local number = 0
    for _, track in ipairs(tracks.list_stem_tracks(proj)) do
      for index = 0, reaper.CountTrackMediaItems(track) - 1 do
        if not anchor.read(reaper.GetTrackMediaItem(track, index)) then number = number + 1 end
      end
    end
    return number
  end

  -- What a conform leaves where it is although it lies on the tracks of stems that move, a line each.
  local function list_left(proj, plan)
    local lines, has_points, has_automation_items = {}, false, false
    for _, entry in ipairs(list_shifts(plan, native.index_items(proj))) do
      local points, automation_items = track_envelopes.find_affected(entry.track, entry.shifts)
      has_points = has_points or points
      has_automation_items = has_automation_items or automation_items
    end
    if has_points and not track_envelopes.go_along() then
      lines[#lines + 1] = "Envelopes of the stem tracks stay where they are: \"Move envelope points with items\" is off in "
        .. "the Options menu."
    end
    if has_automation_items then lines[#lines + 1] = "Automation items stay where they are." end
    local num_foreign = #plan.moves > 0 and count_foreign_items(proj) or 0
    if num_foreign > 0 then
      lines[#lines + 1] = string.format("%d item%s on the stem tracks that Selva did not make stay%s where %s.", num_foreign,
        num_foreign == 1 and "" or "s", num_foreign == 1 and "s" or "", num_foreign == 1 and "it is" or "they are")
    end
    return table.concat(lines, "\n")
  end

  -- Whether to go on, and whether with markers.
  local function confirm(plan, left)
    local text = plan.summary .. (left ~= "" and "\n" .. left or "") .. "\n\nThe console lists every shot that changed.\n\n"
      .. "Yes: conform, with a marker at every shot that changed\nNo: conform without markers\nCancel: do nothing"
    local answer = reaper.MB(text, "Selva: conform stems to this cut", 3)
    return answer == YES or answer == NO, answer == YES
  end

  -- Whether nothing was edited since the snapshot with this text was taken.
  local function is_unchanged(proj, text)
    return conform.snapshot_text(proj) == text
  end

  function conform.snapshot_text(proj)
    return json.encode(snapshot.of_cut(proj, last_render.read(proj)))
  end

  -- Shows a plan and does it. `callbacks`: show(text); render(parts), which requests what is missing.
  local function offer(proj, plan, text, callbacks)
    show_list(plan)
    if not plan.has_changes then return callbacks.show(plan.summary) end
    local goes_on, marks = confirm(plan, list_left(proj, plan))
    if not goes_on then return end
    if not project.is_active(proj) or not is_unchanged(proj, text) then
      return callbacks.show("The project was edited, or another one is in front, since the cut was compared. "
        .. "Nothing was changed. Run the action again.")
    end
    local parts, problem = conform.apply(proj, plan, marks)
    if not parts then return callbacks.show("Nothing was changed: " .. problem) end
    if plan.num_cues > 0 then callbacks.render(parts) end
  end

  -- Waits for the bridge's answer in `folder` to the request that was made with this snapshot text, then offers it.
  function conform.watch(proj, folder, text, callbacks)
    local begun_s = reaper.time_precise()
    local function tick()
      local status = bridge.read_status(folder)
      if status and status.state == "failed" then return callbacks.show(status.error.message) end
      if status and status.state == "ready" then
        local answer, problem = bridge.read_plan(folder)
        if not answer or type(answer.conform) ~= "table" then
          return callbacks.show("The answer of the bridge cannot be read: " .. tostring(problem))
        end
        if not project.is_open(proj) then
          return callbacks.show("The project was closed meanwhile.")
        end
        return offer(proj, answer.conform, text, callbacks)
      end
      if reaper.time_precise() - begun_s > GIVE_UP_S then
        return callbacks.show("The bridge does not answer. Its log lies in " .. folder)
      end
      reaper.defer(tick)
    end
    reaper.defer(tick)
  end

  return conform
end
