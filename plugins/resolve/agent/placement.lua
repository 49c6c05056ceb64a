-- The place primitive: the stems of a plan onto the current timeline, with a report on each.
-- selva_plugins/hosts/resolve/scripting/placement.py does the same in the same order; tests hold both to the same reports.

local StemPlacer = import("stem_placer")
local api = import("resolve_api")
local json = import("json")
local media_pool = import("media_pool")

local call = api.call

local NOT_DELETED = "Resolve did not delete it at its old place, so that it stays there; unlock its track and run Selva again"

-- Markers go where their stems lie now; those whose stems are held are left out.
local function add_markers(timeline, plan, placed)
    local num_added, numbers = 0, {}
    for number, stem in ipairs(plan.stems) do numbers[stem.id] = number end
    local start_frame = api.round_frames(call(timeline, "GetStartFrame")) or 0
    for _, marker in ipairs(plan.markers or {}) do
        local number = numbers[(marker.custom_data:gsub("^selva:stems:", ""))]
        local clip = placed[number or 0]
        local frame = clip and clip.record_frame - start_frame or marker.frame
        local is_wanted = clip or not number
        if is_wanted and call(timeline, "AddMarker", frame, marker.color, marker.name, marker.note, marker.duration,
            marker.custom_data) == true then
            num_added = num_added + 1
        end
    end
    return num_added
end

local function describe_result(stem, clip, problem)
    if not clip then return { id = stem.id, status = "held", reason = problem } end
    return {
        id = stem.id, status = "placed", track_index = clip.index, track_name = clip.name,
        record_frame = clip.record_frame, duration_frames = clip.duration,
        note = clip.note, change = clip.change, remark = clip.remark,
    }
end

-- Saves the project, places what did not survive the save once more, and says whether the project was saved.
local function save_and_verify(placer, stems, placed, problems)
    local is_saved = placer:save()
    local missing = placer:find_missing(#stems, placed)
    for _, number in ipairs(missing) do
        placer:forget_spans(placed[number].index)
        placed[number], problems[number] = placer:place_stem(stems[number])
    end
    if #missing > 0 then
        is_saved = placer:save()
        for _, number in ipairs(placer:find_missing(#stems, placed)) do
            placed[number], problems[number] = nil, "Resolve accepted it and did not keep it"
        end
    end
    return is_saved
end

-- Items that would be gone, for Resolve cannot have the file that takes their place: id -> why. They are not deleted.
local function find_unavailable(placer, stems)
    local lost = {}
    for _, stem in ipairs(stems) do
        local problem = stem.replaces_item and placer:explain_no_file(stem)
        if problem then lost[stem.replaces_item] = problem .. "; it stays as it was" end
    end
    return lost
end

-- Deletes the items that the plan removes, stems of ours only. Returns a set of the ids of those that stay, and how many.
local function remove_items(placer, removals, lost, tagged)
    local left, num_left = {}, #removals
    for _, id in ipairs(removals) do left[id] = true end
    for index = 1, placer:num_tracks() do
        for _, item in ipairs(api.items_of(call(placer.timeline, "GetItemListInTrack", "audio", index))) do
            local id = call(item, "GetUniqueId")
            local media_id = call(call(item, "GetMediaPoolItem"), "GetUniqueId")
            if id and left[id] and not lost[id] and media_id and tagged[media_id] and placer:delete(item) then
                left[id], num_left = nil, num_left - 1
            end
        end
    end
    return left, num_left
end

-- plan: timeline_id, timeline_name; stems: id, file, track, record_frame (absolute), duration_frames, start_frame (in the
-- file, at the project's rate), muted, comment, fade_in_frames, fade_out_frames, gain_db; markers; replaces: whether
-- earlier stems of ours in the same place are replaced; removals: ids of items that are deleted first, and replaces_item of
-- a stem, without whose deletion it is held. Returns the report, or nil and why nothing was placed.
local function place(plan)
    local opened = api.open_project()
    if call(opened.timeline, "GetUniqueId") ~= plan.timeline_id then
        return nil, "the timeline '" .. plan.timeline_name .. "' is not open"
    end
    local bin, bin_before = media_pool.enter_bin(opened.pool)
    local placer = StemPlacer.new(opened, bin, plan.replaces and media_pool.find_tagged_clips(bin) or nil)
    local placed, problems = {}, {}
    local removals = plan.removals or {}
    local left, num_left = {}, 0
    local lost = find_unavailable(placer, plan.stems)
    if #removals > 0 then left, num_left = remove_items(placer, removals, lost, media_pool.find_tagged_clips(bin)) end
    for number, stem in ipairs(plan.stems) do
        if left[stem.replaces_item or false] then
            problems[number] = lost[stem.replaces_item] or NOT_DELETED
        else
            placed[number], problems[number] = placer:place_stem(stem)
        end
        api.yield_to_resolve()
    end
    local num_markers = add_markers(opened.timeline, plan, placed)
    call(opened.pool, "SetCurrentFolder", bin_before)
    local is_saved = save_and_verify(placer, plan.stems, placed, problems)
    placer:restore_page()
    local results = json.array()
    for number, stem in ipairs(plan.stems) do
        results[number] = describe_result(stem, placed[number], problems[number])
    end
    local has_removals = #removals > 0
    return { schema = "selva.resolve.report/1", timeline_id = plan.timeline_id, saved = is_saved, stems = results,
        end_frames = placer.is_end_inclusive and "inclusive" or "exclusive", num_markers = num_markers,
        removed = has_removals and #removals - num_left or nil, left = has_removals and num_left or nil }
end

return { place = place }
