-- The snapshot primitive: what is on the timeline, in Resolve's own units. Frames are absolute and ends exclusive;
-- frame rates stay as Resolve writes them; what a version cannot tell is left out.
-- selva_plugins/hosts/resolve/scripting/timeline_reader.py writes the same fields; a test compares the two.

local api = import("resolve_api")
local json = import("json")
local media_pool = import("media_pool")
local read_range = import("pictures").read_range

local call, items_of, round_frames, get_setting = api.call, api.items_of, api.round_frames, api.get_setting

-- A timeline may lie in itself through others; deeper nests than this are named as compounds and left out.
local MAX_NESTING = 3
local CLIP_PROPERTIES = { "File Path", "FPS", "Frames", "Duration", "Start TC", "Drop frame", "Start", "Type", "Usage",
    "Online Status", "Audio Ch", "Sample Rate" }

local function describe_markers(owner)
    local markers = json.array()
    local found = call(owner, "GetMarkers")
    if type(found) ~= "table" then return markers end
    for frame, marker in pairs(found) do
        if type(frame) == "number" and type(marker) == "table" then
            markers[#markers + 1] = { frame = frame, duration = marker.duration, name = marker.name, note = marker.note,
                color = marker.color, custom_data = marker.customData }
        end
    end
    table.sort(markers, function(one, other) return one.frame < other.frame end)
    return markers
end

local describe_tracks

-- The id of a pool item. Each is described once, in `known`; a timeline used as a clip with its tracks.
local function describe_media(media, known, depth)
    local id = call(media, "GetUniqueId")
    if type(id) ~= "string" or known[id] then return id end
    local all, properties = api.get_properties(media), {}
    for _, name in ipairs(CLIP_PROPERTIES) do properties[name] = all[name] end
    known[id] = { id = id, name = call(media, "GetName"), properties = properties }
    local nested = depth < MAX_NESTING and call(media, "GetTimeline")
    if nested then
        known[id].timeline = {
            id = call(nested, "GetUniqueId"), name = call(nested, "GetName"),
            start_frame = round_frames(call(nested, "GetStartFrame")),
            frame_rate = get_setting(nested, "timelineFrameRate"),
            video_tracks = describe_tracks(nested, "video", known, depth + 1),
        }
    end
    return id
end

local function describe_picture(item, known, depth)
    local media = call(item, "GetMediaPoolItem")
    local described = read_range(item)
    described.id, described.name = call(item, "GetUniqueId"), call(item, "GetName")
    described.type = call(item, "GetType")
    described.source_end_frame = call(item, "GetSourceEndFrame")
    described.source_start_s = call(item, "GetSourceStartTime")
    described.source_end_s = call(item, "GetSourceEndTime")
    described.enabled, described.markers = call(item, "GetClipEnabled"), describe_markers(item)
    described.media = media and describe_media(media, known, depth) or nil
    return described
end

-- For sound only its place, as stems are made from picture; of a stem of ours, what a conform needs to place it anew.
local function describe_sound(item, known, stems)
    local described = { name = call(item, "GetName"), start = round_frames(call(item, "GetStart")),
        duration = round_frames(call(item, "GetDuration")) }
    local media = call(item, "GetMediaPoolItem")
    if not media or not stems[call(media, "GetUniqueId") or false] then return described end
    local fades, properties = call(item, "GetFades"), call(item, "GetProperties")
    described.id, described.media = call(item, "GetUniqueId"), describe_media(media, known, 0)
    described.left_offset, described.enabled = call(item, "GetLeftOffset"), call(item, "GetClipEnabled")
    if type(fades) == "table" then described.fade_in, described.fade_out = fades.FadeIn, fades.FadeOut end
    if type(properties) == "table" then
        described.volume_db, described.pan = properties.AudioVolume, properties.AudioPan
    end
    return described
end

function describe_tracks(timeline, kind, known, depth, stems)
    local tracks = json.array()
    for index = 1, call(timeline, "GetTrackCount", kind) or 0 do
        local items = json.array()
        for _, item in ipairs(items_of(call(timeline, "GetItemListInTrack", kind, index))) do
            items[#items + 1] = kind == "video" and describe_picture(item, known, depth) or describe_sound(item, known, stems)
            api.yield_to_resolve()
        end
        tracks[index] = {
            index = index, name = call(timeline, "GetTrackName", kind, index), items = items,
            enabled = call(timeline, "GetIsTrackEnabled", kind, index),
            locked = call(timeline, "GetIsTrackLocked", kind, index),
            sub_type = kind == "audio" and call(timeline, "GetTrackSubType", kind, index) or nil,
        }
    end
    return tracks
end

local function describe_settings(owner)
    return {
        frame_rate = get_setting(owner, "timelineFrameRate"),
        drop_frame = get_setting(owner, "timelineDropFrameTimecode"),
        sample_rate = get_setting(owner, "timelineSampleRate"),
        media_folder = get_setting(owner, "projectMediaLocation"),
    }
end

-- The in and out marks, in frames after the timeline's start; a mark that is not set has no key.
local function describe_marks(timeline)
    local marks = call(timeline, "GetMarkInOut")
    if type(marks) ~= "table" then return nil end
    local described = {}
    for _, kind in ipairs({ "video", "audio" }) do
        if type(marks[kind]) == "table" then
            described[kind] = { ["in"] = marks[kind]["in"], ["out"] = marks[kind]["out"] }
        end
    end
    return described
end

local function describe_selection(timeline)
    local selected = call(timeline, "GetSelectedClips")
    if type(selected) ~= "table" then return nil end
    local ids = json.array()
    for _, item in ipairs(items_of(selected)) do ids[#ids + 1] = call(item, "GetUniqueId") end
    return ids
end

-- No call looks into a compound clip; the timeline's own OpenTimelineIO export says what is in it. The type of an
-- export is a constant of the running Resolve; its name as text is refused without an error.
local function export_compounds(timeline, media, path)
    for _, entry in pairs(media) do
        if (entry.properties["File Path"] or "") == "" and not entry.timeline then
            local kind, subtype = api.RESOLVE.EXPORT_OTIO, api.RESOLVE.EXPORT_NONE
            if kind and subtype and call(timeline, "Export", path, kind, subtype) then return path end
            return nil
        end
    end
    return nil
end

-- otio_file: where an export may be written.
local function take_snapshot(otio_file)
    local opened = api.open_project()
    local timeline, media = opened.timeline, {}
    local stems = media_pool.find_tagged_clips(media_pool.find_bin(opened.pool))
    local snapshot = {
        schema = "selva.resolve.snapshot/1",
        application = { product = call(api.RESOLVE, "GetProductName"), version = json.array(items_of(api.get_version())),
            studio = api.is_studio(), sandboxed = api.is_sandboxed(),
            lua = type(jit) == "table" and "LuaJIT" or _VERSION },
        project = { id = call(opened.project, "GetUniqueId"), name = call(opened.project, "GetName"),
            settings = describe_settings(opened.project) },
        timeline = {
            id = call(timeline, "GetUniqueId"), name = call(timeline, "GetName"),
            start_frame = round_frames(call(timeline, "GetStartFrame")),
            end_frame = round_frames(call(timeline, "GetEndFrame")),
            start_timecode = call(timeline, "GetStartTimecode"), settings = describe_settings(timeline),
            marks = describe_marks(timeline), markers = describe_markers(timeline),
            selected = describe_selection(timeline),
            video_tracks = describe_tracks(timeline, "video", media, 0),
            audio_tracks = describe_tracks(timeline, "audio", media, 0, stems),
        },
        media = media,
    }
    snapshot.timeline.otio_file = export_compounds(timeline, media, otio_file)
    return snapshot
end

return { take_snapshot = take_snapshot }
