-- Selva for DaVinci Resolve 18.5 to 21.1, Free and Studio: stems from picture, on named audio tracks.
--
-- Two primitives: `take_snapshot` says what is on the timeline in Resolve's own units, `place` puts finished files on tracks
-- and reports what is really there. What to render and where it belongs is decided in Python, by `selva host resolve --watch`.
-- Plain Lua 5.1. Runs where io, os.execute, require and ffi are missing (free 21.1): then letters go out through Fusion's
-- preferences. Answers always come in through loadfile. Waiting is bmd.wait, so that Resolve stays usable.

-- selva:installed {
local INSTALLED = { action = "generate", version = "", exchange = "", command = "" }
-- selva:installed }

local MIN_VERSION = { 18, 5 }
local BIN_NAME = "Selva"
local STEM_TAG = "[Selva stem"
local STATUS_DATA = "selva:status"
local MAX_TRACKS_OF_ONE_NAME = 9
local MAX_NESTING = 3
local POLL_S = 0.2
local ACK_PATIENCE_S = 4
local START_PATIENCE_S = 30
local SILENCE_PATIENCE_S = 120
local TOTAL_PATIENCE_S = 1800
local CALLS_PER_BREATH = 200
local PREFS_PIECE_CHARS = 16000

-- Resolve's objects ---------------------------------------------------------------------------------------------------

local calls_since_breath = 0

local function breathe()
    if calls_since_breath >= CALLS_PER_BREATH then
        calls_since_breath = 0
        bmd.wait(0.01)
    end
end

-- The method of this name, or nil: what a version does not have reads as nil, and objects that died raise.
local function method(object, name)
    if object == nil then return nil end
    local fine, found = pcall(function() return object[name] end)
    return fine and found or nil
end

-- Calls a method if this version has it; nil for everything that goes wrong.
local function ask(object, name, ...)
    local call = method(object, name)
    if call == nil then return nil end
    calls_since_breath = calls_since_breath + 1
    local fine, answer = pcall(call, object, ...)
    if fine then return answer end
    return nil
end

-- Lists of Resolve carry an extra key on some builds, so they are walked by number.
local function items_of(list)
    local items = {}
    if type(list) == "table" then
        for index = 1, #list do items[index] = list[index] end
    end
    return items
end

local function whole(number)
    if type(number) ~= "number" then return nil end
    return math.floor(number + 0.5)
end

-- The true rate behind 24.0, "23.976" or "29.97 DF": what Resolve writes for 24000/1001 is rounded.
local function rate_of(value)
    local told = tonumber((tostring(value or ""):gsub(",", "."):match("%d+%.?%d*")))
    if not told then return nil end
    local slowed = math.floor(told + 0.5) * 1000 / 1001
    return math.abs(told - slowed) < 0.01 and slowed or told
end

-- From 21.1 on all settings come at once; before they are asked for by name.
local function setting_of(owner, name)
    local all = ask(owner, "GetSettings")
    if type(all) == "table" then return all[name] end
    return ask(owner, "GetSetting", name)
end

-- All properties of a clip in one call; the keys are English in every language.
local function properties_of(media)
    local all = ask(media, "GetClipProperty")
    return type(all) == "table" and all or {}
end

local function find_resolve()
    local found = resolve
    if found == nil and type(Resolve) == "function" then found = Resolve() end
    if found == nil and bmd and bmd.scriptapp then found = bmd.scriptapp("Resolve") end
    return found
end

local function find_fusion(app_object)
    for _, candidate in ipairs({ fusion or false, fu or false, app or false }) do
        if candidate and method(candidate, "SetPrefs") then return candidate end
    end
    return ask(app_object, "Fusion")
end

local RESOLVE = find_resolve()
local FUSION = find_fusion(RESOLVE)

-- False as soon as Resolve closes; nothing may be asked of Fusion after that.
local function is_alive()
    return ask(RESOLVE, "GetProjectManager") ~= nil
end

local known_version

local function version_fields()
    known_version = known_version or items_of(ask(RESOLVE, "GetVersion"))
    return known_version
end

local function is_at_least(major, minor)
    local fields = version_fields()
    local have_major, have_minor = tonumber(fields[1]) or 0, tonumber(fields[2]) or 0
    return have_major > major or (have_major == major and have_minor >= minor)
end

local function is_studio()
    local told = ask(RESOLVE, "IsStudio")
    if told ~= nil then return told end
    return tostring(ask(RESOLVE, "GetProductName")):find("Studio", 1, true) ~= nil
end

local function is_sandboxed()
    return type(io) ~= "table" or type(os.rename) ~= "function"
end

-- Everything is fetched anew for each use: handles die when a project or timeline is switched.
local function open_project()
    local manager = ask(RESOLVE, "GetProjectManager")
    local project = ask(manager, "GetCurrentProject")
    return {
        manager = manager,
        project = project,
        pool = ask(project, "GetMediaPool"),
        timeline = ask(project, "GetCurrentTimeline"),
    }
end

-- JSON out -------------------------------------------------------------------------------------------------------------

local ARRAY = {}

local function array(items)
    return setmetatable(items or {}, ARRAY)
end

local JSON_ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_string(text)
    return '"' .. text:gsub('[%z\1-\31\127"\\]', function(c)
        return JSON_ESCAPES[c] or string.format("\\u%04x", c:byte())
    end) .. '"'
end

local function json_number(number)
    if number ~= number or number == math.huge or number == -math.huge then return "null" end
    if number == math.floor(number) and math.abs(number) < 2 ^ 53 then return string.format("%.0f", number) end
    return string.format("%.17g", number)
end

local function to_json(value)
    local kind = type(value)
    if kind == "string" then return json_string(value) end
    if kind == "number" then return json_number(value) end
    if kind == "boolean" then return tostring(value) end
    if kind ~= "table" then return "null" end
    local parts = {}
    if getmetatable(value) == ARRAY then
        for index = 1, #value do parts[index] = to_json(value[index]) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = tostring(key) end
    table.sort(keys)
    for _, key in ipairs(keys) do parts[#parts + 1] = json_string(key) .. ":" .. to_json(value[key]) end
    return "{" .. table.concat(parts, ",") .. "}"
end

-- Snapshot -------------------------------------------------------------------------------------------------------------

local CLIP_PROPERTIES = { "File Path", "FPS", "Frames", "Duration", "Start TC", "Drop frame", "Start", "Type", "Usage",
    "Online Status", "Audio Ch", "Sample Rate" }

local function describe_markers(owner)
    local markers = array()
    local found = ask(owner, "GetMarkers")
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

-- Media are told once each; a timeline that is used as a clip is told with its tracks.
local function describe_media(media, known, depth)
    local id = ask(media, "GetUniqueId")
    if type(id) ~= "string" or known[id] then return id end
    local all, properties = properties_of(media), {}
    for _, name in ipairs(CLIP_PROPERTIES) do properties[name] = all[name] end
    known[id] = { id = id, name = ask(media, "GetName"), properties = properties }
    local nested = depth < MAX_NESTING and ask(media, "GetTimeline")
    if nested then
        known[id].timeline = {
            id = ask(nested, "GetUniqueId"), name = ask(nested, "GetName"), start_frame = whole(ask(nested, "GetStartFrame")),
            frame_rate = setting_of(nested, "timelineFrameRate"),
            video_tracks = describe_tracks(nested, "video", known, depth + 1),
        }
    end
    return id
end

local function describe_item(item, known, depth)
    local speed = ask(item, "GetSpeed")
    local source_start_frame = ask(item, "GetSourceStartFrame")
    local media = ask(item, "GetMediaPoolItem")
    return {
        id = ask(item, "GetUniqueId"), name = ask(item, "GetName"), type = ask(item, "GetType"),
        start = whole(ask(item, "GetStart")), duration = whole(ask(item, "GetDuration")),
        left_offset = ask(item, "GetLeftOffset"),
        right_offset = source_start_frame and ask(item, "GetRightOffset", true) or nil,
        source_start_frame = source_start_frame, source_end_frame = ask(item, "GetSourceEndFrame"),
        source_start_s = ask(item, "GetSourceStartTime"), source_end_s = ask(item, "GetSourceEndTime"),
        speed_percent = type(speed) == "table" and speed.Percentage or nil,
        enabled = ask(item, "GetClipEnabled"), markers = describe_markers(item),
        media = media and describe_media(media, known, depth) or nil,
    }
end

-- Of sound only what lies where; picture in full.
local function describe_sound(item)
    return { name = ask(item, "GetName"), start = whole(ask(item, "GetStart")), duration = whole(ask(item, "GetDuration")) }
end

function describe_tracks(timeline, kind, known, depth)
    local tracks = array()
    for index = 1, ask(timeline, "GetTrackCount", kind) or 0 do
        local items = array()
        for _, item in ipairs(items_of(ask(timeline, "GetItemListInTrack", kind, index))) do
            items[#items + 1] = kind == "video" and describe_item(item, known, depth) or describe_sound(item)
            breathe()
        end
        tracks[index] = {
            index = index, name = ask(timeline, "GetTrackName", kind, index), items = items,
            enabled = ask(timeline, "GetIsTrackEnabled", kind, index),
            locked = ask(timeline, "GetIsTrackLocked", kind, index),
            sub_type = kind == "audio" and ask(timeline, "GetTrackSubType", kind, index) or nil,
        }
    end
    return tracks
end

local function describe_settings(owner)
    return {
        frame_rate = setting_of(owner, "timelineFrameRate"),
        drop_frame = setting_of(owner, "timelineDropFrameTimecode"),
        sample_rate = setting_of(owner, "timelineSampleRate"),
        media_folder = setting_of(owner, "projectMediaLocation"),
    }
end

local function describe_marks(timeline)
    local marks = ask(timeline, "GetMarkInOut")
    if type(marks) ~= "table" then return nil end
    local told = {}
    for _, kind in ipairs({ "video", "audio" }) do
        if type(marks[kind]) == "table" then
            told[kind] = { ["in"] = marks[kind]["in"], ["out"] = marks[kind]["out"] }
        end
    end
    return told
end

local function describe_selection(timeline)
    local selected = ask(timeline, "GetSelectedClips")
    if type(selected) ~= "table" then return nil end
    local ids = array()
    for _, item in ipairs(items_of(selected)) do ids[#ids + 1] = ask(item, "GetUniqueId") end
    return ids
end

-- Compound clips cannot be looked into by calls; the timeline's own OpenTimelineIO export tells what is in them.
local function export_compounds(timeline, media, path)
    for _, told in pairs(media) do
        if (told.properties["File Path"] or "") == "" and not told.timeline then
            local kind, subtype = RESOLVE.EXPORT_OTIO, RESOLVE.EXPORT_NONE
            if kind and subtype and ask(timeline, "Export", path, kind, subtype) then return path end
            return nil
        end
    end
    return nil
end

-- otio_file: where an export may be written.
local function take_snapshot(otio_file)
    local open = open_project()
    local timeline, media = open.timeline, {}
    local version = array(items_of(version_fields()))
    local snapshot = {
        schema = "selva.resolve.snapshot/1",
        application = { product = ask(RESOLVE, "GetProductName"), version = version, studio = is_studio(),
            sandboxed = is_sandboxed(), lua = type(jit) == "table" and "LuaJIT" or _VERSION },
        project = { id = ask(open.project, "GetUniqueId"), name = ask(open.project, "GetName"),
            settings = describe_settings(open.project) },
        timeline = {
            id = ask(timeline, "GetUniqueId"), name = ask(timeline, "GetName"),
            start_frame = whole(ask(timeline, "GetStartFrame")), end_frame = whole(ask(timeline, "GetEndFrame")),
            start_timecode = ask(timeline, "GetStartTimecode"), settings = describe_settings(timeline),
            marks = describe_marks(timeline), markers = describe_markers(timeline),
            selected = describe_selection(timeline),
            video_tracks = describe_tracks(timeline, "video", media, 0),
            audio_tracks = describe_tracks(timeline, "audio", media, 0),
        },
        media = media,
    }
    snapshot.timeline.otio_file = export_compounds(timeline, media, otio_file)
    return snapshot
end

-- Placing --------------------------------------------------------------------------------------------------------------

local function same_path(one, other)
    if type(one) ~= "string" or type(other) ~= "string" then return false end
    return one:gsub("\\", "/") == other:gsub("\\", "/")
end

local function find_folder(pool, name)
    for _, folder in ipairs(items_of(ask(ask(pool, "GetRootFolder"), "GetSubFolderList"))) do
        if ask(folder, "GetName") == name then return folder end
    end
    return nil
end

-- Resolve imports into the current bin only, and adding a bin makes it the current one.
local function enter_bin(pool)
    local before = ask(pool, "GetCurrentFolder")
    local bin = find_folder(pool, BIN_NAME) or ask(pool, "AddSubFolder", ask(pool, "GetRootFolder"), BIN_NAME)
    ask(pool, "SetCurrentFolder", bin)
    return bin, before
end

local function file_name(path)
    return path:match("[^/\\]+$")
end

-- The clips of our bin by file name, which is unique among stems; Resolve may report the path behind a link.
local function index_clips(bin)
    local clips = {}
    for _, media in ipairs(items_of(ask(bin, "GetClipList"))) do
        local path = properties_of(media)["File Path"]
        local name = type(path) == "string" and file_name(path)
        if name then clips[name] = { media = media, path = path } end
        breathe()
    end
    return clips
end

-- The pool item of a file. Up to 21.0 paths are the documented form, from 21.1 tables with FilePath.
local function import_file(pool, clips, path)
    local known = clips[file_name(path)]
    if known and (same_path(known.path, path) or bmd.fileexists(known.path)) then return known.media end
    local forms = { { path }, { { FilePath = path } } }
    if is_at_least(21, 1) then forms[1], forms[2] = forms[2], forms[1] end
    for _, form in ipairs(forms) do
        local media = items_of(ask(pool, "ImportMedia", form))[1]
        if media then
            clips[file_name(path)] = { media = media, path = path }
            return media
        end
    end
    return nil
end

-- Clips of our bin that carry our tag: id -> name of the track that was made for it, or "".
local function tagged_clips(bin)
    local tagged = {}
    for _, media in ipairs(items_of(ask(bin, "GetClipList"))) do
        local comment = ask(media, "GetMetadata", "Comments")
        local id = ask(media, "GetUniqueId")
        if id and type(comment) == "string" and comment:find(STEM_TAG, 1, true) then
            tagged[id] = comment:match("; track made: (.*)%]$") or ""
        end
    end
    return tagged
end

local Placing = {}
Placing.__index = Placing

-- replaced: tagged clips whose items may give way to a stem of the same place and length.
local function start_placing(open, bin, replaced)
    return setmetatable({
        open = open, timeline = open.timeline, clips = index_clips(bin), tracks = {}, made = {}, replaced = replaced or {},
        inclusive = not is_at_least(19, 0), calibrated = false, page = nil,
        rate = rate_of(setting_of(open.timeline, "timelineFrameRate")),
    }, Placing)
end

-- Spans that are taken on an audio track, read once and kept up to date with what we place.
function Placing:spans(index)
    local track = self.tracks[index]
    if not track then
        track = {}
        for _, item in ipairs(items_of(ask(self.timeline, "GetItemListInTrack", "audio", index))) do
            track[#track + 1] = { first = whole(ask(item, "GetStart")), last = whole(ask(item, "GetEnd")), item = item }
            breathe()
        end
        self.tracks[index] = track
    end
    return track
end

function Placing:overlapping(index, first, last)
    for _, span in ipairs(self:spans(index)) do
        if span.first < last and first < span.last then return span end
    end
    return nil
end

function Placing:find_track(name)
    for index = 1, ask(self.timeline, "GetTrackCount", "audio") or 0 do
        if ask(self.timeline, "GetTrackName", "audio", index) == name then return index end
    end
    return nil
end

-- A new mono track after all others. Never with an index: that would push the user's tracks down.
function Placing:append_track(name, muted)
    local before = ask(self.timeline, "GetTrackCount", "audio") or 0
    ask(self.timeline, "AddTrack", "audio", "mono")
    local index = ask(self.timeline, "GetTrackCount", "audio") or 0
    if index ~= before + 1 then return nil end
    ask(self.timeline, "SetTrackName", "audio", index, name)
    if muted then ask(self.timeline, "SetTrackEnable", "audio", index, false) end
    self.made[name] = true
    return index
end

-- Takes away the earlier stem in this place, if it is one of ours, was asked to go and was not touched since.
function Placing:give_way(index, taken, stem, last)
    local lying = ask(ask(taken.item, "GetMediaPoolItem"), "GetUniqueId")
    local is_same_place = taken.first == stem.record_frame and taken.last == last
    local track_made = self.replaced[lying]
    if not is_same_place or taken.is_new or not track_made or not self:delete(taken.item) then return false end
    self.tracks[index] = nil
    if track_made ~= "" then self.made[track_made] = true end
    return true
end

-- Where a stem may go: the track of its name, or the next one of that name when it is locked or something lies there.
-- Returns index, name, and the span when this very stem already lies there.
function Placing:choose_track(stem, media, last)
    for number = 1, MAX_TRACKS_OF_ONE_NAME do
        local name = number == 1 and stem.track or (stem.track .. " " .. number)
        local index = self:find_track(name)
        if not index then return self:append_track(name, stem.muted), name end
        local taken = self:overlapping(index, stem.record_frame, last)
        if taken and taken.first == stem.record_frame then
            local lying = ask(ask(taken.item, "GetMediaPoolItem"), "GetUniqueId")
            if lying and lying == ask(media, "GetUniqueId") then return index, name, taken end
        end
        if taken and self:give_way(index, taken, stem, last) then
            taken = self:overlapping(index, stem.record_frame, last)
        end
        if not taken and not ask(self.timeline, "GetIsTrackLocked", "audio", index) then return index, name end
    end
    return nil
end

-- How many frames of the clip make `frames` frames on the timeline, and how many they make. A WAV counts at the rate the
-- project had when it came in; Resolve rounds down, so this rounds up, but never into the place of the next stem.
function Placing:clip_frames(media, frames)
    local clip_rate = rate_of(properties_of(media).FPS)
    if not clip_rate or not self.rate or math.abs(clip_rate - self.rate) < 0.001 then return frames, frames end
    local function length_of(count) return math.floor(count * self.rate / clip_rate + 0.0001) end
    local count = math.ceil(frames * clip_rate / self.rate - 0.0001)
    if count > 1 and length_of(count) > frames then count = count - 1 end
    return count, length_of(count)
end

function Placing:append(media, stem, index, count)
    local first = stem.start_frame or 0
    local placed = items_of(ask(self.open.pool, "AppendToTimeline", { {
        mediaPoolItem = media, mediaType = 2, trackIndex = index, recordFrame = stem.record_frame,
        startFrame = first, endFrame = first + count - (self.inclusive and 1 or 0),
    } }))[1]
    if placed and whole(ask(placed, "GetStart")) == stem.record_frame then return placed end
    return self:find_item(media, stem.record_frame, index)
end

-- What Resolve returns may be dead, so the track is asked.
function Placing:find_item(media, record_frame, index)
    local id = ask(media, "GetUniqueId")
    for _, item in ipairs(items_of(ask(self.timeline, "GetItemListInTrack", "audio", index))) do
        if whole(ask(item, "GetStart")) == record_frame and ask(ask(item, "GetMediaPoolItem"), "GetUniqueId") == id then
            return item
        end
        breathe()
    end
    return nil
end

-- Deleting needs the Edit page; the page is given back at the end.
function Placing:delete(item)
    local page = ask(RESOLVE, "GetCurrentPage")
    if page ~= "edit" then
        self.page = self.page or page
        ask(RESOLVE, "OpenPage", "edit")
    end
    return ask(self.timeline, "DeleteClips", { item }, false) == true
end

-- Ends are inclusive in 18 and exclusive from 19 on: the first stem tells which, and is placed again if it was the other.
function Placing:append_calibrated(media, stem, index)
    local count, expected = self:clip_frames(media, stem.duration_frames)
    local item = self:append(media, stem, index, count)
    local length = item and whole(ask(item, "GetDuration"))
    if length and length ~= expected and not self.calibrated and self:delete(item) then
        self.inclusive = not self.inclusive
        item = self:append(media, stem, index, count)
        length = item and whole(ask(item, "GetDuration"))
        if length ~= expected then self.inclusive = not self.inclusive end
    end
    if length == expected then self.calibrated = true end
    return item, length
end

-- Fades and volume: from 21.1 on there are calls for them, before there are none.
local function dress(item, stem)
    local fade_in, fade_out = stem.fade_in_frames or 0, stem.fade_out_frames or 0
    if fade_in > 0 or fade_out > 0 then ask(item, "SetFades", { FadeIn = fade_in, FadeOut = fade_out }) end
    if (stem.gain_db or 0) ~= 0 then ask(item, "SetProperties", { AudioVolume = stem.gain_db }) end
end

-- Resolve appends to whatever timeline is current, and users switch between them.
function Placing:is_open()
    local id = ask(self.timeline, "GetUniqueId")
    return id ~= nil and ask(ask(self.open.project, "GetCurrentTimeline"), "GetUniqueId") == id
end

function Placing:place_stem(stem)
    if not self:is_open() then return nil, "the timeline was left while stems were placed; run Selva again on it" end
    local media = import_file(self.open.pool, self.clips, stem.file)
    if not media then
        local is_there = bmd.fileexists(stem.file)
        return nil, (is_there and "Resolve did not import " or "the file is not there: ") .. stem.file
    end
    local _, length = self:clip_frames(media, stem.duration_frames)
    local index, name, already = self:choose_track(stem, media, stem.record_frame + length)
    if not index then
        return nil, "no audio track is free at this place: all named '" .. stem.track .. "' are locked or occupied"
    end
    if already then return { index = index, name = name, media = media, duration = already.last - already.first } end
    local made = self.made[name] and ("; track made: " .. name) or ""
    ask(media, "SetMetadata", "Comments", stem.comment .. " " .. STEM_TAG .. made .. "]")
    local item, duration = self:append_calibrated(media, stem, index)
    if not item or not duration then return nil, "Resolve placed nothing on track '" .. name .. "'" end
    dress(item, stem)
    local spans = self:spans(index)
    spans[#spans + 1] = { first = stem.record_frame, last = stem.record_frame + duration, item = item, is_new = true }
    return { index = index, name = name, media = media, duration = duration }
end

function Placing:add_marker(marker)
    return ask(self.timeline, "AddMarker", marker.frame, marker.color, marker.name, marker.note, marker.duration,
        marker.custom_data) == true
end

local function describe_result(stem, landed, problem)
    if not landed then return { id = stem.id, status = "held", reason = problem } end
    return {
        id = stem.id, status = "placed", track_index = landed.index, track_name = landed.name,
        record_frame = stem.record_frame, duration_frames = landed.duration,
        note = landed.name ~= stem.track and ("'" .. stem.track .. "' was locked or occupied") or nil,
    }
end

-- What really lies on an audio track: a key per item, see `Placing:find_lost`.
function Placing:read_track(index)
    local lying = {}
    for _, item in ipairs(items_of(ask(self.timeline, "GetItemListInTrack", "audio", index))) do
        local id = ask(ask(item, "GetMediaPoolItem"), "GetUniqueId")
        lying[tostring(id) .. "@" .. tostring(whole(ask(item, "GetStart")))] = true
        breathe()
    end
    return lying
end

-- Numbers of the stems that were placed and are not on their track; each track is read once.
function Placing:find_lost(stems, landed)
    local tracks, lost = {}, {}
    for number, stem in ipairs(stems) do
        local place = landed[number]
        if place then
            tracks[place.index] = tracks[place.index] or self:read_track(place.index)
            local key = tostring(ask(place.media, "GetUniqueId")) .. "@" .. stem.record_frame
            if not tracks[place.index][key] then lost[#lost + 1] = number end
        end
    end
    return lost
end

-- Places the stems of a plan on the current timeline and reports on each.
-- Plan: timeline_id, timeline_name; stems: id, file, track, record_frame (absolute), duration_frames, start_frame (in the file,
-- at the project's rate), muted, comment, fade_in_frames, fade_out_frames, gain_db; markers; replaces: whether earlier stems
-- of ours give way.
local function place(plan)
    local open = open_project()
    if ask(open.timeline, "GetUniqueId") ~= plan.timeline_id then
        return nil, "the timeline '" .. plan.timeline_name .. "' is not open"
    end
    local bin, folder_before = enter_bin(open.pool)
    local placing = start_placing(open, bin, plan.replaces and tagged_clips(bin) or nil)
    local landed, problems = {}, {}
    for number, stem in ipairs(plan.stems) do
        landed[number], problems[number] = placing:place_stem(stem)
        breathe()
    end
    local num_markers = 0
    for _, marker in ipairs(plan.markers or {}) do
        if placing:add_marker(marker) then num_markers = num_markers + 1 end
    end
    ask(open.pool, "SetCurrentFolder", folder_before)
    local saved = ask(open.manager, "SaveProject") ~= false
    local lost = placing:find_lost(plan.stems, landed)
    for _, number in ipairs(lost) do
        placing.tracks[landed[number].index] = nil
        landed[number], problems[number] = placing:place_stem(plan.stems[number])
    end
    if #lost > 0 then
        saved = ask(open.manager, "SaveProject") ~= false
        for _, number in ipairs(placing:find_lost(plan.stems, landed)) do
            landed[number], problems[number] = nil, "Resolve accepted it and did not keep it"
        end
    end
    if placing.page then ask(RESOLVE, "OpenPage", placing.page) end
    local results = array()
    for number, stem in ipairs(plan.stems) do
        results[number] = describe_result(stem, landed[number], problems[number])
    end
    return { schema = "selva.resolve.report/1", timeline_id = plan.timeline_id, saved = saved, stems = results,
        end_frames = placing.inclusive and "inclusive" or "exclusive", num_markers = num_markers }
end

-- Removing -------------------------------------------------------------------------------------------------------------

-- Deletes our items on one track; returns how many, and the names of tracks that had been made for them.
local function clear_track(placing, index, tagged, made)
    local ours = {}
    local all = items_of(ask(placing.timeline, "GetItemListInTrack", "audio", index))
    for _, item in ipairs(all) do
        local track_made = tagged[ask(ask(item, "GetMediaPoolItem"), "GetUniqueId")]
        if track_made then
            ours[#ours + 1] = item
            made[track_made] = true
        end
    end
    local removed = 0
    for _, item in ipairs(ours) do
        if placing:delete(item) then removed = removed + 1 end
    end
    return removed, #ours - removed
end

-- Takes away what Selva placed on the current timeline: stems, tracks that were made for them and are empty now, markers,
-- and clips of the bin that no timeline uses any more.
local function remove()
    local open = open_project()
    local bin = find_folder(open.pool, BIN_NAME)
    local report = { schema = "selva.resolve.removed/1", stems = 0, tracks = 0, clips = 0, markers = 0, kept = 0 }
    local placing, made = start_placing(open, bin), {}
    local tagged = tagged_clips(bin)
    for index = (ask(open.timeline, "GetTrackCount", "audio") or 0), 1, -1 do
        local removed, kept = clear_track(placing, index, tagged, made)
        report.stems, report.kept = report.stems + removed, report.kept + kept
        local name = ask(open.timeline, "GetTrackName", "audio", index)
        local left = items_of(ask(open.timeline, "GetItemListInTrack", "audio", index))
        if removed > 0 and #left == 0 and made[name] and ask(open.timeline, "DeleteTrack", "audio", index) then
            report.tracks = report.tracks + 1
        end
        breathe()
    end
    for frame, marker in pairs(ask(open.timeline, "GetMarkers") or {}) do
        local ours = type(marker) == "table" and tostring(marker.customData):find("^selva:")
        if ours and ask(open.timeline, "DeleteMarkerAtFrame", frame) then report.markers = report.markers + 1 end
    end
    local unused = {}
    for _, media in ipairs(items_of(ask(bin, "GetClipList"))) do
        if tagged[ask(media, "GetUniqueId")] and tonumber(properties_of(media).Usage) == 0 then
            unused[#unused + 1] = media
        end
    end
    if #unused > 0 and ask(open.pool, "DeleteClips", unused) then report.clips = #unused end
    if bin and #items_of(ask(bin, "GetClipList")) == 0 and #items_of(ask(bin, "GetSubFolderList")) == 0 then
        ask(open.pool, "DeleteFolders", { bin })
    end
    if placing.page then ask(RESOLVE, "OpenPage", placing.page) end
    ask(open.manager, "SaveProject")
    return report
end

-- Letters --------------------------------------------------------------------------------------------------------------

local function hex(text)
    return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

local function unhex(text)
    return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function join(...)
    return table.concat({ ... }, "/")
end

-- Written whole or not at all: under another name first.
local function post_file(name, text)
    local path = join(INSTALLED.exchange, "outbox", name .. ".json")
    local file, problem = io.open(path .. ".part", "wb")
    if not file then return nil, problem end
    file:write(text)
    file:close()
    return os.rename(path .. ".part", path)
end

-- How many pieces the letter in the preferences has.
local function count_pieces()
    local head = FUSION:GetPrefs("Global.SelvaLetter.SelvaHead")
    return type(head) == "string" and tonumber(head:match("^selva1 %S+ (%d+)")) or 0
end

-- Fusion's preferences keep ASCII only, so the letter is hex, in pieces; one save writes them all. A longer letter that nobody
-- fetched is wiped out with it.
local function post_prefs(name, text)
    local coded = hex(text)
    local count = math.ceil(#coded / PREFS_PIECE_CHARS)
    for number = 1, math.max(count, count_pieces()) do
        local piece = coded:sub((number - 1) * PREFS_PIECE_CHARS + 1, number * PREFS_PIECE_CHARS)
        FUSION:SetPrefs("Global.SelvaLetter.SelvaPiece" .. number, piece)
    end
    FUSION:SetPrefs("Global.SelvaLetter.SelvaHead", string.format("selva1 %s %d %d", name, count, #text))
    FUSION:SavePrefs()
    return true
end

-- Takes the letter out of the preferences again: they are readable by others and are kept for ever.
local function clear_prefs()
    for number = 1, count_pieces() do FUSION:SetPrefs("Global.SelvaLetter.SelvaPiece" .. number, "") end
    FUSION:SetPrefs("Global.SelvaLetter.SelvaHead", "")
    FUSION:SavePrefs()
end

-- Sends a letter to the bridge. Returns true, or nil and why not.
local function post(name, letter)
    local text = to_json(letter)
    if not is_sandboxed() then return post_file(name, text) end
    if FUSION then return post_prefs(name, text) end
    return nil, "this Resolve allows neither files nor preferences to scripts"
end

-- A file of the bridge: one Lua table of plain values. Run without any function in reach.
local function read_reply(name)
    local chunk = loadfile(join(INSTALLED.exchange, "inbox", name .. ".lua"))
    if not chunk then return nil end
    if setfenv then setfenv(chunk, {}) end
    local fine, reply = pcall(chunk)
    if fine and type(reply) == "table" then return reply end
    return nil
end

local function new_id()
    local random = tostring(bmd.createuuid and bmd.createuuid() or math.random()):gsub("[^%w]", ""):sub(1, 8):lower()
    return os.date("!%Y%m%dT%H%M%SZ") .. "-" .. random
end

-- What the user reads --------------------------------------------------------------------------------------------------

local function say(text)
    print("Selva: " .. text)
end

-- A marker that tells the outcome, in place of the one before: free 21.1 shows nothing that a script prints.
local function show_marker(title, note, color)
    local timeline = open_project().timeline
    ask(timeline, "DeleteMarkerByCustomData", STATUS_DATA)
    local taken = ask(timeline, "GetMarkers") or {}
    for frame = 0, 99 do
        if taken[frame] == nil and ask(timeline, "AddMarker", frame, color, title, note, 1, STATUS_DATA) then return end
    end
end

local function tell(title, lines, is_trouble)
    say(title)
    for _, line in ipairs(lines) do say("  " .. line) end
    if is_sandboxed() or is_trouble then
        show_marker("Selva: " .. title, table.concat(lines, "\n"), is_trouble and "Red" or "Green")
    end
end

local function counted(number, noun)
    return number .. " " .. noun .. (number == 1 and "" or "s")
end

local function tell_report(report, notices)
    local lines, num_placed, num_held = {}, 0, 0
    for index = 1, #(notices or {}) do lines[index] = notices[index] end
    for _, stem in ipairs(report.stems) do
        if stem.status == "placed" then
            num_placed = num_placed + 1
            if stem.note then lines[#lines + 1] = stem.note .. ", so it lies on '" .. stem.track_name .. "'" end
        else
            num_held = num_held + 1
            lines[#lines + 1] = "not placed: " .. stem.id .. ": " .. stem.reason
        end
    end
    local title = counted(num_placed, "stem") .. " placed"
    if num_held > 0 then title = title .. ", " .. num_held .. " not" end
    if not report.saved then lines[#lines + 1] = "Resolve did not save the project; save it yourself" end
    tell(title, lines, num_held > 0)
end

-- Windows exist on Studio, and on Free up to 19.0; from 19.1 on Free answers them with a sales dialog.
local function may_open_windows()
    return not is_sandboxed() and FUSION ~= nil and (is_studio() or not is_at_least(19, 1))
end

-- Asks for "Track: prompt" lines. Returns the answer, or nil when the window was closed.
local function ask_prompts()
    local ui = FUSION.UIManager
    if not ui or not bmd.UIDispatcher then return {} end
    local dispatcher = bmd.UIDispatcher(ui)
    local before = unhex(tostring(FUSION:GetPrefs("Global.Selva.Prompts") or ""))
    local window = dispatcher:AddWindow({ ID = "Selva", WindowTitle = "Selva", Geometry = { 300, 300, 520, 300 } },
        ui:VGroup({
            ui:Label({ Text = "One line per stem track, for instance\nDog: small dog barking\n"
                .. "Leave it empty to use markers and the cue sheet." }),
            ui:TextEdit({ ID = "Prompts", PlainText = before }),
            ui:HGroup({ ui:Label({ Text = "Takes" }), ui:SpinBox({ ID = "Takes", Value = 1, Minimum = 1, Maximum = 16 }) }),
            ui:CheckBox({ ID = "Replaces", Text = "Replace earlier stems in the same place" }),
            ui:HGroup({ ui:Button({ ID = "Cancel", Text = "Cancel" }), ui:Button({ ID = "Generate", Text = "Generate" }) }),
        }))
    local answer
    local items = window:GetItems()
    function window.On.Generate.Clicked()
        answer = { prompts = items.Prompts.PlainText, takes = items.Takes.Value, replaces = items.Replaces.Checked == true }
        dispatcher:ExitLoop()
    end
    function window.On.Cancel.Clicked() dispatcher:ExitLoop() end
    function window.On.Selva.Close() dispatcher:ExitLoop() end
    window:Show()
    dispatcher:RunLoop()
    window:Hide()
    if answer and answer.prompts ~= before then
        FUSION:SetPrefs("Global.Selva.Prompts", hex(answer.prompts))
        FUSION:SavePrefs()
    end
    return answer
end

-- Conversations --------------------------------------------------------------------------------------------------------

-- Only the newest run waits: an older one sees another mark here and ends. Kept in memory, not saved.
local RUN = new_id()

local function claim()
    if FUSION then FUSION:SetPrefs("Global.Selva.Run", RUN) end
end

local function is_superseded()
    local current = FUSION and FUSION:GetPrefs("Global.Selva.Run")
    return current ~= nil and current ~= RUN
end

local function start_bridge()
    if type(os.execute) ~= "function" or INSTALLED.command == "" then return false end
    say("starting the bridge")
    os.execute(INSTALLED.command)
    return true
end

-- Waits until `wanted(reply)` is true. Returns the reply; or nil and a reason, or nil alone when the run should end quietly.
local function await(id, patience_s, wanted)
    local started, heard, last = os.time(), os.time(), nil
    while os.difftime(os.time(), started) < TOTAL_PATIENCE_S do
        bmd.wait(POLL_S)
        if not is_alive() or is_superseded() then return nil end
        local reply = read_reply(id)
        if reply and reply.beat ~= last then
            heard, last = os.time(), reply.beat
            if reply.message then say(reply.message) end
        end
        if reply and wanted(reply) then return reply end
        if os.difftime(os.time(), heard) >= patience_s then return nil, "silent" end
    end
    return nil, "long"
end

-- Posts a request and waits for its acknowledgement, starting the bridge where this Resolve allows that.
local function send(id, letter)
    local sent, problem = post(id .. "-1", letter)
    if not sent then
        tell("the request could not be written", { tostring(problem), "run: selva host install resolve" }, true)
        return false
    end
    local function is_received(reply) return reply.received ~= nil end
    local reply, reason = await(id, ACK_PATIENCE_S, is_received)
    if not reply and reason and start_bridge() then
        reply, reason = await(id, START_PATIENCE_S, is_received)
    end
    if not reply and reason then
        tell("nobody answers", { "start the bridge and leave it running: selva host resolve --watch",
            "the request is kept; choose 'Place finished stems' later" }, true)
    end
    if reply and is_sandboxed() then clear_prefs() end
    return reply ~= nil
end

local function place_and_report(id, reply)
    local report, problem = place(reply.plan)
    if not report then
        tell("stems are ready and wait", { problem, "open it and choose 'Place finished stems'" }, true)
        return
    end
    post(id .. "-2", { schema = "selva.letter/1", kind = "report", request = id, report = report })
    tell_report(report, reply.lines)
    if is_sandboxed() and await(id, ACK_PATIENCE_S, function(answer) return answer.state == "reported" end) then
        clear_prefs()
    end
end

-- Plans that are done and wait for this timeline. Returns how many were placed.
local function place_waiting()
    local timeline_id = ask(open_project().timeline, "GetUniqueId")
    local waiting = read_reply("waiting") or {}
    local count = 0
    for _, entry in ipairs(waiting) do
        if entry.timeline_id == timeline_id then
            local reply = read_reply(entry.request)
            if reply and reply.plan then
                place_and_report(entry.request, reply)
                count = count + 1
            end
        end
    end
    return count
end

local ACTIONS = {}

function ACTIONS.generate()
    if place_waiting() > 0 then return say("these had been waiting; choose 'Generate stems' again for new ones") end
    local answer = {}
    if may_open_windows() then answer = ask_prompts() end
    if not answer then return end
    local id = new_id()
    local letter = { schema = "selva.letter/1", kind = "generate", request = id, agent = INSTALLED.version,
        prompts = answer.prompts or "", takes = answer.takes or 1, replaces = answer.replaces or false,
        snapshot = take_snapshot(join(INSTALLED.exchange, "outbox", id .. ".otio")) }
    if not send(id, letter) then return end
    if is_sandboxed() then show_marker("Selva: making stems", "Progress: where selva host resolve --watch runs", "Yellow") end
    local reply, reason = await(id, SILENCE_PATIENCE_S, function(r) return r.state ~= "working" end)
    if reply and reply.plan then
        place_and_report(id, reply)
    elseif reply then
        tell(reply.title or "no stems", reply.lines or {}, true)
    elseif reason then
        tell("still rendering", { "choose 'Place finished stems' later" }, false)
    end
end

function ACTIONS.place()
    if place_waiting() == 0 then tell("nothing waits for this timeline", {}, false) end
end

function ACTIONS.stop()
    local id = new_id()
    if send(id, { schema = "selva.letter/1", kind = "stop", request = id }) then tell("rendering was stopped", {}, false) end
end

function ACTIONS.remove()
    local report = remove()
    local lines = {}
    if report.kept > 0 then lines[1] = counted(report.kept, "stem") .. " kept: the track is locked" end
    tell(counted(report.stems, "stem") .. ", " .. counted(report.tracks, "track") .. " and " .. counted(report.clips, "clip")
        .. " removed", lines, report.kept > 0)
end

-- Start ----------------------------------------------------------------------------------------------------------------

local function main()
    if not is_alive() then return say("Resolve gives scripts no project manager; open a project first") end
    if not is_at_least(MIN_VERSION[1], MIN_VERSION[2]) then
        return say("Resolve " .. MIN_VERSION[1] .. "." .. MIN_VERSION[2] .. " or later is needed: older ones ignore where a clip "
            .. "should go")
    end
    if not open_project().timeline then return say("open a timeline first") end
    if INSTALLED.exchange == "" then return say("this file was copied by hand; run: selva host install resolve") end
    claim()
    ACTIONS[INSTALLED.action]()
end

main()
