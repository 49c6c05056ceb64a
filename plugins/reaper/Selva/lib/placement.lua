-- Places the stems of a plan on the timeline and reports what was really placed.
--
-- All of a plan is placed within one defer cycle and one undo block, or none of it. What can fail (a missing file, a deleted
-- item) is checked before the first change. The user's items are never changed; only `into_item` placements, which the user
-- requested on our stems, add takes to an existing item.

return function(selva)
  local anchor = selva.import("anchor")
  local json = selva.import("json")
  local last_render = selva.import("last_render")
  local longer = selva.import("longer")
  local native = selva.import("native")
  local pan = selva.import("pan")
  local snapshot = selva.import("snapshot")
  local tracks = selva.import("tracks")

  local placement = {}

  local MARK = "P_EXT:selva"

  -- Doubles that went through a project file differ by less than this; a sample at 192 kHz is 5.2e-6 s.
  local SAME_S = 1e-7

  local function is_same(one, other)
    return math.abs(one - other) < SAME_S
  end

  -- Where a stem goes --------------------------------------------------------------------------------------------------

  -- The picture item as it is now, or nil and why the stem cannot go with it. `planned` is the item as it was.
  local function check_picture(planned, item)
    if not item then
      return nil, "its picture item is no longer in the project"
    end
    local now = snapshot.describe_item(item)
    local take = now.active_take[1]
    if not take or take.picture_key ~= planned.picture_key then
      return nil, "its item shows another picture now"
    end
    if not is_same(take.play_rate, planned.play_rate) then
      return nil, string.format("the play rate of its item changed from %g to %g", planned.play_rate, take.play_rate)
    end
    return now
  end

  -- The span (start, length, offset into the stem) that keeps the stem on its picture after the item was moved, trimmed or
  -- slipped; nil and a reason when nothing of that picture is left.
  local function fit_to_item(stem, now)
    local planned = stem.anchor
    local take = now.active_take[1]
    local slip = (take.start_offset_s - planned.start_offset_s) / planned.play_rate
    local shift = now.position_s - planned.position_s - slip
    local is_moved = not is_same(now.position_s, planned.position_s)
    local is_slipped = not is_same(slip, 0)
    local is_trimmed = not is_same(now.length_s, planned.length_s)
    if not (is_moved or is_slipped or is_trimmed) then
      return { start_s = stem.start_s, length_s = stem.length_s, offset_s = stem.source_offset_s }
    end
    local start = stem.start_s + shift
    local stop = start + stem.length_s
    local visible_start, visible_stop = start, stop
    if is_slipped or is_trimmed then
      visible_start = math.max(start, now.position_s)
      visible_stop = math.min(stop, now.position_s + now.length_s)
    end
    if visible_stop - visible_start <= SAME_S then
      return nil, "the picture it was made for was trimmed away"
    end
    return {
      start_s = visible_start,
      length_s = visible_stop - visible_start,
      offset_s = stem.source_offset_s + (visible_start - start),
      note = is_moved and "moved with its item" or "trimmed with its item",
      shift_s = shift,
    }
  end

  -- Adds `span` and `picture_item` to a stem of the plan, or returns why it must be held.
  local function find_target(stem, by_guid, ignore_anchors)
    if stem.into_item ~= json.null then
      stem.item = by_guid[stem.into_item]
      if not stem.item then return "the stem item it belongs to is no longer in the project" end
      if not stem.longer then return nil end
    end
    stem.span = { start_s = stem.start_s, length_s = stem.length_s, offset_s = stem.source_offset_s }
    if stem.anchor == json.null or ignore_anchors then return nil end
    local item = by_guid[stem.anchor.item_guid]
    local now, reason = check_picture(stem.anchor, item)
    if not now then return reason end
    stem.picture_item = item
    stem.shot = { start_offset_s = now.active_take[1].start_offset_s, length_s = now.length_s }
    stem.span, reason = fit_to_item(stem, now)
    return reason
  end

  -- The same, and for a stem that is made longer, why its own item is not as it was.
  local function find_target_now(stem, by_guid, ignore_anchors)
    local reason = find_target(stem, by_guid, ignore_anchors)
    if reason or not stem.longer then return reason end
    return longer.find_change(stem, stem.span.shift_s or 0, ignore_anchors)
  end

  -- Sources ------------------------------------------------------------------------------------------------------------

  -- File -> where on the stem tracks it lies, for files that are the first take of an item.
  local function index_stems(proj)
    local starts_by_file = {}
    for _, track in ipairs(tracks.list_stem_tracks(proj)) do
      for index = 0, reaper.CountTrackMediaItems(track) - 1 do
        local item = reaper.GetTrackMediaItem(track, index)
        local take = reaper.GetTake(item, 0)
        local source = take and reaper.GetMediaItemTake_Source(take)
        if source then
          local file = native.source_file(source)
          starts_by_file[file] = starts_by_file[file] or {}
          table.insert(starts_by_file[file], reaper.GetMediaItemInfo_Value(item, "D_POSITION"))
        end
      end
    end
    return starts_by_file
  end

  local function is_there_already(stem, starts_by_file)
    for _, start in ipairs(starts_by_file[stem.takes[1].file] or {}) do
      if is_same(start, stem.span.start_s) then return true end
    end
    return false
  end

  -- Opens every file of the plan; returns nil and a sentence when one cannot be used. Nothing of the project changes.
  local function open_sources(targets)
    local opened = {}
    for _, stem in ipairs(targets) do
      for _, take in ipairs(stem.takes) do
        local source = reaper.PCM_Source_CreateFromFile(take.file)
        local length = source and reaper.GetMediaSourceLength(source) or 0
        if source then opened[#opened + 1] = source end
        if length <= 0 then
          for _, other in ipairs(opened) do reaper.PCM_Source_Destroy(other) end
          return nil, "REAPER cannot read the stem " .. take.file
        end
        take.source = source
      end
    end
    return true
  end

  -- REAPER frees the source of a take with the take; one that no take has must be freed here.
  local function destroy_unused_sources(targets)
    for _, stem in ipairs(targets) do
      for _, take in ipairs(stem.takes) do
        if not take.is_used then reaper.PCM_Source_Destroy(take.source) end
      end
    end
  end

  -- Edits --------------------------------------------------------------------------------------------------------------

  local function add_take(item, planned_take, values)
    local take = reaper.AddTakeToMediaItem(item)
    if not take or not reaper.SetMediaItemTake_Source(take, planned_take.source) then
      error("REAPER refused the stem " .. planned_take.file, 0)
    end
    planned_take.is_used = true
    reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", planned_take.name, true)
    reaper.GetSetMediaItemTakeInfo_String(take, MARK, json.encode(planned_take.recipe), true)
    for name, value in pairs(values) do
      reaper.SetMediaItemTakeInfo_Value(take, name, value)
    end
    return take
  end

  -- Timebase: 0 is time, 1 and 2 are beats, -1 is that of the track or project. A stem has the timebase of its picture.
  local function attach_mode(picture_item)
    if not picture_item then return 0 end
    local mode = reaper.GetMediaItemInfo_Value(picture_item, "C_BEATATTACHMODE")
    if mode >= 0 then return mode end
    return reaper.GetMediaTrackInfo_Value(reaper.GetMediaItem_Track(picture_item), "C_BEATATTACHMODE")
  end

  local function add_item(proj, stem, journal)
    local span = stem.span
    local picture_track = stem.picture_item and reaper.GetMediaItem_Track(stem.picture_item)
    local track = tracks.ensure_stem_track(
      proj, stem.stem_track, span.start_s, span.start_s + span.length_s, picture_track, journal)
    local item = reaper.AddMediaItemToTrack(track)
    journal[#journal + 1] = function() reaper.DeleteTrackMediaItem(track, item) end
    local values = {
      D_POSITION = span.start_s,
      D_LENGTH = span.length_s,
      B_LOOPSRC = 0,
      D_FADEINLEN = 0,
      D_FADEOUTLEN = 0,
      D_VOL = 10 ^ ((stem.gain_db or 0) / 20),
      C_BEATATTACHMODE = attach_mode(stem.picture_item),
    }
    for name, value in pairs(values) do
      reaper.SetMediaItemInfo_Value(item, name, value)
    end
    local first
    for _, planned_take in ipairs(stem.takes) do
      local take = add_take(item, planned_take, { D_STARTOFFS = span.offset_s, D_PLAYRATE = 1 })
      first = first or take
    end
    reaper.SetActiveTake(first)
    anchor.write(item, stem)
    pan.write(item, stem.takes)
    return item
  end

  -- Takes of an existing stem item get the offset and rate of its active take, so that all takes lie on the picture alike.
  local function add_takes(stem, journal)
    local item = stem.item
    local _, chunk = reaper.GetItemStateChunk(item, "", false)
    journal[#journal + 1] = function() reaper.SetItemStateChunk(item, chunk, false) end
    local active = reaper.GetActiveTake(item)
    local values = { D_STARTOFFS = 0, D_PLAYRATE = 1 }
    for name in pairs(values) do
      if active then values[name] = reaper.GetMediaItemTakeInfo_Value(active, name) end
    end
    local first
    for _, planned_take in ipairs(stem.takes) do
      local take = add_take(item, planned_take, values)
      if active then anchor.write_delay(take, anchor.read_delay(active)) end
      first = first or take
    end
    reaper.SetActiveTake(first)
    pan.write(item, stem.takes)
    return item
  end

  local function revert(journal)
    for index = #journal, 1, -1 do
      journal[index]()
    end
  end

  -- Reads back what REAPER made of a placement.
  local function report_placed(stem, item)
    local _, guid = reaper.GetSetMediaItemInfo_String(item, "GUID", "", false)
    local _, track_name = reaper.GetSetMediaTrackInfo_String(reaper.GetMediaItem_Track(item), "P_NAME", "", false)
    local take_files = json.array()
    for _, take in ipairs(stem.takes) do
      take_files[#take_files + 1] = take.file
    end
    return {
      cue = stem.cue,
      stem_track = stem.stem_track,
      track_name = track_name,
      item_guid = guid,
      position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
      length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
      take_files = take_files,
      note = stem.span and stem.span.note or json.null,
    }
  end

  local function edit(proj, targets, journal)
    local done = json.array()
    for _, stem in ipairs(targets) do
      local item
      if stem.longer then
        item = longer.apply(stem, add_take, journal)
      elseif stem.item then
        item = add_takes(stem, journal)
      else
        item = add_item(proj, stem, journal)
      end
      done[#done + 1] = report_placed(stem, item)
    end
    last_render.write(proj)
    return done
  end

  local function undo_label(targets)
    local verb = "extend"
    for _, stem in ipairs(targets) do
      if not stem.longer then verb = "place" end
    end
    return string.format("Selva: %s %d stem%s", verb, #targets, #targets == 1 and "" or "s")
  end

  -- Runs the edits as one undo step. Returns what was placed, or nil and the reason after everything was reverted.
  local function edit_in_one_step(proj, targets)
    local journal = {}
    reaper.Undo_BeginBlock2(proj)
    reaper.PreventUIRefresh(1)
    local ok, result = pcall(edit, proj, targets, journal)
    if not ok then revert(journal) end
    reaper.PreventUIRefresh(-1)
    reaper.Undo_EndBlock2(proj, ok and undo_label(targets) or "Selva: placing failed, nothing changed", -1)
    reaper.TrackList_AdjustWindows(false)
    reaper.UpdateArrange()
    if ok then return result end
    destroy_unused_sources(targets)
    return nil, tostring(result)
  end

  -- Removing what an earlier plan has placed ----------------------------------------------------------------------------

  -- Why an item stays that was placed by an earlier plan, or nil.
  local function find_change(removal, item)
    if not item then return "it is no longer in the project" end
    local take = reaper.GetActiveTake(item)
    local _, recipe = reaper.GetSetMediaItemTakeInfo_String(take, MARK, "", false)
    if recipe == "" then return "it is no stem any more" end
    if not is_same(reaper.GetMediaItemInfo_Value(item, "D_POSITION"), removal.position_s)
      or not is_same(reaper.GetMediaItemInfo_Value(item, "D_LENGTH"), removal.length_s) then
      return "it was moved or trimmed since"
    end
    return nil
  end

  -- Removes items in one undo step; returns the GUIDs of those that are gone, and those that stay with the reason.
  local function remove_items(proj, removals, by_guid)
    local removed, stayed = json.array(), json.array()
    reaper.Undo_BeginBlock2(proj)
    reaper.PreventUIRefresh(1)
    for _, removal in ipairs(removals) do
      local item = by_guid[removal.item_guid]
      local reason = find_change(removal, item)
      if not reason then
        local track = reaper.GetMediaItem_Track(item)
        reaper.DeleteTrackMediaItem(track, item)
        removed[#removed + 1] = removal.item_guid
      else
        stayed[#stayed + 1] = { item_guid = removal.item_guid, reason = reason }
      end
    end
    reaper.PreventUIRefresh(-1)
    reaper.Undo_EndBlock2(proj, "Selva: remove stems", -1)
    reaper.UpdateArrange()
    return removed, stayed
  end

  -- The sources whose peaks REAPER has yet to build.
  local function list_sources(targets)
    local sources = {}
    for _, stem in ipairs(targets) do
      for _, take in ipairs(stem.takes) do
        sources[#sources + 1] = take.source
      end
    end
    return sources
  end

  -- Places `plan` in `proj`, which must be the project in front. Only cues in `only_cues` when that set is given; with
  -- `ignore_anchors` stems go where their pictures were, whatever was done to the items since. What the plan names in
  -- `removals` is removed first. Returns a report {placed, already, held, failed} and the sources whose peaks are to be
  -- built.
  function placement.apply(proj, plan, options)
    local only_cues = options and options.only_cues
    local ignore_anchors = options and options.ignore_anchors
    local report = { placed = json.array(), already = json.array(), held = json.array(), failed = json.null }
    local by_guid, starts_by_file = native.index_items(proj), index_stems(proj)
    if plan.removals and #plan.removals > 0 then
      report.removed, report.stayed = remove_items(proj, plan.removals, by_guid)
    end
    local targets = {}
    for _, stem in ipairs(plan.placements) do
      if not only_cues or only_cues[stem.cue] then
        local reason = find_target_now(stem, by_guid, ignore_anchors)
        if reason then
          report.held[#report.held + 1] = { cue = stem.cue, label = stem.label, reason = reason }
        elseif not stem.item and is_there_already(stem, starts_by_file) then
          report.already[#report.already + 1] = { cue = stem.cue, label = stem.label }
        else
          targets[#targets + 1] = stem
        end
      end
    end
    if #targets == 0 then return report, {} end
    local ready, problem = open_sources(targets)
    local placed
    if ready then
      placed, problem = edit_in_one_step(proj, targets)
    end
    if not placed then
      report.failed = problem
      return report, {}
    end
    report.placed = placed
    return report, list_sources(targets)
  end

  -- One sentence about a report.
  function placement.summarise(report)
    if report.failed ~= json.null then
      return "Nothing was placed: " .. report.failed
    end
    if report.removed then
      return #report.removed .. " removed, " .. #report.stayed .. " left as they are"
    end
    local track_names, num_tracks = {}, 0
    for _, placed in ipairs(report.placed) do
      if not track_names[placed.track_name] then
        track_names[placed.track_name] = true
        num_tracks = num_tracks + 1
      end
    end
    local function count(number, noun)
      return string.format("%d %s%s", number, noun, number == 1 and "" or "s")
    end
    local parts = { count(#report.placed, "stem") .. " placed on " .. count(num_tracks, "track") }
    if #report.already > 0 then
      parts[#parts + 1] = #report.already .. " there already"
    end
    if #report.held > 0 then
      parts[#parts + 1] = #report.held .. " held (" .. report.held[1].label .. ": " .. report.held[1].reason .. ")"
    end
    return table.concat(parts, ", ")
  end

  return placement
end
