-- Removes what Selva placed: Resolve's scripting API has no undo, so this is the way back.

local StemPlacer = import("stem_placer")
local api = import("resolve_api")
local media_pool = import("media_pool")

local call, items_of = api.call, api.items_of

-- Deletes our items on one track and notes the tracks that had been made for them in `tracks_made`.
-- Returns how many were deleted, and how many could not be.
local function clear_track(placer, index, tagged, tracks_made)
    local ours = {}
    for _, item in ipairs(items_of(call(placer.timeline, "GetItemListInTrack", "audio", index))) do
        local track_made = tagged[call(call(item, "GetMediaPoolItem"), "GetUniqueId")]
        if track_made then
            ours[#ours + 1] = item
            tracks_made[track_made] = true
        end
    end
    local num_removed = 0
    for _, item in ipairs(ours) do
        if placer:delete(item) then num_removed = num_removed + 1 end
    end
    return num_removed, #ours - num_removed
end

-- From the last track to the first: deleting a track renumbers those after it.
local function clear_tracks(placer, tagged, report)
    local timeline, tracks_made = placer.timeline, {}
    for index = placer:num_tracks(), 1, -1 do
        local num_removed, num_kept = clear_track(placer, index, tagged, tracks_made)
        report.stems, report.kept = report.stems + num_removed, report.kept + num_kept
        local name = call(timeline, "GetTrackName", "audio", index)
        local is_empty = #items_of(call(timeline, "GetItemListInTrack", "audio", index)) == 0
        if num_removed > 0 and is_empty and tracks_made[name] and call(timeline, "DeleteTrack", "audio", index) then
            report.tracks = report.tracks + 1
        end
        api.yield_to_resolve()
    end
end

local function delete_markers(timeline)
    local num_deleted = 0
    for frame, marker in pairs(call(timeline, "GetMarkers") or {}) do
        local is_ours = type(marker) == "table" and tostring(marker.customData):find("^selva:")
        if is_ours and call(timeline, "DeleteMarkerAtFrame", frame) then num_deleted = num_deleted + 1 end
    end
    return num_deleted
end

-- Clips that another timeline uses stay: deleting them would take them off it.
local function delete_unused_clips(pool, bin, tagged)
    local unused = {}
    for _, media in ipairs(items_of(call(bin, "GetClipList"))) do
        if tagged[call(media, "GetUniqueId")] and tonumber(api.get_properties(media).Usage) == 0 then
            unused[#unused + 1] = media
        end
    end
    local num_deleted = #unused > 0 and call(pool, "DeleteClips", unused) and #unused or 0
    if bin and #items_of(call(bin, "GetClipList")) == 0 and #items_of(call(bin, "GetSubFolderList")) == 0 then
        call(pool, "DeleteFolders", { bin })
    end
    return num_deleted
end

-- Removes what Selva placed on the current timeline: stems, tracks that were made for them and are empty now, markers,
-- and clips of its bin that no timeline uses any more. Returns how many of each.
local function remove()
    local opened = api.open_project()
    local bin = media_pool.find_bin(opened.pool)
    local tagged = media_pool.find_tagged_clips(bin)
    local report = { schema = "selva.resolve.removed/1", stems = 0, tracks = 0, clips = 0, markers = 0, kept = 0 }
    local placer = StemPlacer.new(opened, bin)
    clear_tracks(placer, tagged, report)
    report.markers = delete_markers(opened.timeline)
    report.clips = delete_unused_clips(opened.pool, bin, tagged)
    placer:restore_page()
    placer:save()
    return report
end

return { remove = remove }
