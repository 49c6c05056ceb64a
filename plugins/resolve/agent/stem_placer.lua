-- Puts one file at a time on a named audio track of the current timeline, and moves nothing of the user's.

local api = import("resolve_api")
local media_pool = import("media_pool")
local Pictures = import("pictures")

local call, items_of, round_frames = api.call, api.items_of, api.round_frames

local MAX_TRACKS_OF_ONE_NAME = 9

local StemPlacer = {}
StemPlacer.__index = StemPlacer

-- replaceable: tagged clips (see media_pool.find_tagged_clips) that may be replaced by a stem of the same place and length.
function StemPlacer.new(opened, bin, replaceable)
    return setmetatable({
        opened = opened, timeline = opened.timeline, clips = media_pool.index_clips(bin), spans_by_track = {},
        tracks_made = {}, replaceable = replaceable or {}, pictures = Pictures.new(opened.timeline),
        -- endFrame of AppendToTimeline is inclusive in 18 and exclusive from 19 on; the first stem verifies it.
        is_end_inclusive = not api.is_at_least(19, 0), is_calibrated = false, page_before = nil,
        rate = api.parse_rate(api.get_setting(opened.timeline, "timelineFrameRate")),
    }, StemPlacer)
end

-- Spans that are taken on an audio track, read once and kept up to date with what is placed.
function StemPlacer:spans(index)
    local spans = self.spans_by_track[index]
    if not spans then
        spans = {}
        for _, item in ipairs(items_of(call(self.timeline, "GetItemListInTrack", "audio", index))) do
            spans[#spans + 1] = { first = round_frames(call(item, "GetStart")), last = round_frames(call(item, "GetEnd")),
                item = item }
            api.yield_to_resolve()
        end
        self.spans_by_track[index] = spans
    end
    return spans
end

function StemPlacer:forget_spans(index)
    self.spans_by_track[index] = nil
end

function StemPlacer:find_overlap(index, first, last)
    for _, span in ipairs(self:spans(index)) do
        if span.first < last and first < span.last then return span end
    end
    return nil
end

function StemPlacer:num_tracks()
    return call(self.timeline, "GetTrackCount", "audio") or 0
end

function StemPlacer:find_track(name)
    for index = 1, self:num_tracks() do
        if call(self.timeline, "GetTrackName", "audio", index) == name then return index end
    end
    return nil
end

-- A new mono track after all others. Never with an index: that would push the user's tracks down.
function StemPlacer:append_track(name, is_muted)
    local before = self:num_tracks()
    call(self.timeline, "AddTrack", "audio", "mono")
    local index = self:num_tracks()
    if index ~= before + 1 then return nil end
    call(self.timeline, "SetTrackName", "audio", index, name)
    if is_muted then call(self.timeline, "SetTrackEnable", "audio", index, false) end
    self.tracks_made[name] = true
    return index
end

local function clip_id(item)
    return call(call(item, "GetMediaPoolItem"), "GetUniqueId")
end

-- Deletes the earlier stem in this place, if it is one of ours, may be replaced and has not been touched since.
function StemPlacer:replace_if_ours(index, span, stem, last)
    local is_same_place = span.first == stem.record_frame and span.last == last
    local track_made = self.replaceable[clip_id(span.item)]
    if not is_same_place or span.is_new or not track_made or not self:delete(span.item) then return false end
    self:forget_spans(index)
    if track_made ~= "" then self.tracks_made[track_made] = true end
    return true
end

-- Whether a stem that moves lay on a track, which an editor may have disabled: there it stays.
function StemPlacer:is_own_track(index, stem)
    return stem.replaces_item and index == stem.track_index
        and call(self.timeline, "GetTrackName", "audio", index) == stem.track
end

-- Why a track of the right name is not the place for a stem, or nil. A mono stem on a stereo or 5.1 track may come out of
-- the left speaker alone, and a disabled track is not heard. Takes lie on disabled tracks by design, which the user may
-- have enabled.
function StemPlacer:find_misfit(index, stem)
    if call(self.timeline, "GetIsTrackLocked", "audio", index) then return "was locked or occupied" end
    if self:is_own_track(index, stem) then return nil end
    if not stem.muted and call(self.timeline, "GetIsTrackEnabled", "audio", index) == false then return "is disabled" end
    -- Read from 19.0.1 on.
    local sub_type = call(self.timeline, "GetTrackSubType", "audio", index)
    local is_mono = sub_type == nil or sub_type == "" or sub_type == "mono" or sub_type == "adaptive1"
    return not is_mono and ("is " .. sub_type .. " and stems are mono") or nil
end

-- The note for a track whose channels this version does not report, unless a stem of ours lies on it already.
function StemPlacer:describe_unknown_type(index)
    if call(self.timeline, "GetTrackSubType", "audio", index) ~= nil then return nil end
    local ours = {}
    for _, clip in pairs(self.clips) do ours[call(clip.media, "GetUniqueId") or false] = true end
    for _, span in ipairs(self:spans(index)) do
        local id = clip_id(span.item)
        if id and ours[id] then return nil end
    end
    return "this version of Resolve does not tell whether that track is mono, as stems are"
end

-- Where a stem may go: the track of its name, or the next one of that name when it is locked, taken or of another kind.
-- Returns index, name, the span when this very stem already lies there, and why it is not the first of that name.
function StemPlacer:choose_track(stem, media, last)
    local note
    for number = 1, MAX_TRACKS_OF_ONE_NAME do
        local name = number == 1 and stem.track or (stem.track .. " " .. number)
        local index = self:find_track(name)
        -- Several tracks may have the name.
        if number == 1 and self:is_own_track(stem.track_index, stem) then index = stem.track_index end
        if not index then return self:append_track(name, stem.muted), name, nil, note end
        local span = self:find_overlap(index, stem.record_frame, last)
        if span and span.first == stem.record_frame then
            local present = clip_id(span.item)
            if present and present == call(media, "GetUniqueId") then return index, name, span, note end
        end
        local misfit = self:find_misfit(index, stem)
        if not misfit and span and self:replace_if_ours(index, span, stem, last) then
            span = self:find_overlap(index, stem.record_frame, last)
        end
        if not misfit and not span then return index, name, nil, note end
        note = note or ("'" .. name .. "' " .. (misfit or "was locked or occupied"))
    end
    return nil
end

-- How many frames of the clip make `frames` frames on the timeline, and how many they make. A WAV counts at the rate
-- the project had when it was imported; Resolve rounds down, so this rounds up, but never into the next stem's place.
function StemPlacer:clip_frames(media, frames)
    local clip_rate = api.parse_rate(api.get_properties(media).FPS)
    if not clip_rate or not self.rate or math.abs(clip_rate - self.rate) < 0.001 then return frames, frames end
    local function length_of(count) return math.floor(count * self.rate / clip_rate + 0.0001) end
    local count = math.ceil(frames * clip_rate / self.rate - 0.0001)
    if count > 1 and length_of(count) > frames then count = count - 1 end
    return count, length_of(count)
end

-- One call per stem, in whole frames: 21 refuses a whole batch for one fraction, and batches over several tracks were
-- seen to lose clips. recordFrame is absolute; a relative one lands before the timeline's start, where nothing is heard.
function StemPlacer:append(media, stem, index, count)
    local first = stem.start_frame or 0
    local placed = items_of(call(self.opened.pool, "AppendToTimeline", { {
        mediaPoolItem = media, mediaType = 2, trackIndex = index, recordFrame = stem.record_frame,
        startFrame = first, endFrame = first + count - (self.is_end_inclusive and 1 or 0),
    } }))[1]
    if placed and round_frames(call(placed, "GetStart")) == stem.record_frame then return placed end
    return self:find_item(media, stem.record_frame, index)
end

-- The item as the track has it: what AppendToTimeline returns may be a dead object.
function StemPlacer:find_item(media, record_frame, index)
    local id = call(media, "GetUniqueId")
    for _, item in ipairs(items_of(call(self.timeline, "GetItemListInTrack", "audio", index))) do
        if round_frames(call(item, "GetStart")) == record_frame and clip_id(item) == id then return item end
        api.yield_to_resolve()
    end
    return nil
end

-- DeleteClips does nothing unless the Edit page is shown; `restore_page` shows the user's page again.
function StemPlacer:delete(item)
    local page = call(api.RESOLVE, "GetCurrentPage")
    if page ~= "edit" then
        self.page_before = self.page_before or page
        call(api.RESOLVE, "OpenPage", "edit")
    end
    return call(self.timeline, "DeleteClips", { item }, false) == true
end

function StemPlacer:restore_page()
    if self.page_before then call(api.RESOLVE, "OpenPage", self.page_before) end
end

-- Places a stem; when the length shows that ends are counted the other way, deletes it and places it once more.
function StemPlacer:append_calibrated(media, stem, index)
    local count, expected = self:clip_frames(media, stem.duration_frames)
    local item = self:append(media, stem, index, count)
    local length = item and round_frames(call(item, "GetDuration"))
    if length and length ~= expected and not self.is_calibrated and self:delete(item) then
        self.is_end_inclusive = not self.is_end_inclusive
        item = self:append(media, stem, index, count)
        length = item and round_frames(call(item, "GetDuration"))
        if length ~= expected then self.is_end_inclusive = not self.is_end_inclusive end
    end
    if length == expected then self.is_calibrated = true end
    return item, length
end

-- From 21.1 on there are calls for fades and volume; before, there are none.
local function apply_fades_and_gain(item, stem)
    local fade_in, fade_out = stem.fade_in_frames or 0, stem.fade_out_frames or 0
    if fade_in > 0 or fade_out > 0 then call(item, "SetFades", { FadeIn = fade_in, FadeOut = fade_out }) end
    local properties = {}
    if (stem.gain_db or 0) ~= 0 then properties.AudioVolume = stem.gain_db end
    if (stem.pan or 0) ~= 0 then properties.AudioPan = stem.pan end
    if next(properties) then call(item, "SetProperties", properties) end
    if stem.is_disabled then call(item, "SetClipEnabled", false) end
end

-- AppendToTimeline acts on whatever timeline is current, and users switch between them.
function StemPlacer:is_timeline_open()
    local id = call(self.timeline, "GetUniqueId")
    return id ~= nil and call(call(self.opened.project, "GetCurrentTimeline"), "GetUniqueId") == id
end

-- The stem as it goes to its place now; nil and why not where its cut is not a whole frame of its file.
function StemPlacer:cut_to(stem, place, media)
    if not place.change then return stem end
    local clip_rate = api.parse_rate(api.get_properties(media).FPS) or self.rate
    local cut = clip_rate and self.rate and place.cut_frames * clip_rate / self.rate or place.cut_frames
    local whole = round_frames(cut)
    if math.abs(cut - whole) > 0.0001 then
        return nil, place.change .. "; at the project's frame rate it cannot be cut there: choose 'Generate stems' again"
    end
    local is_tail_cut = place.cut_frames + place.duration_frames < stem.duration_frames
    local cut_stem = {}
    for name, value in pairs(stem) do cut_stem[name] = value end
    cut_stem.record_frame, cut_stem.duration_frames = place.record_frame, place.duration_frames
    cut_stem.start_frame = (stem.start_frame or 0) + whole
    if place.cut_frames > 0 then cut_stem.fade_in_frames = 0 end
    if is_tail_cut then cut_stem.fade_out_frames = 0 end
    return cut_stem
end

-- Why Resolve cannot have the file of a stem; nil where it has it, in our bin.
function StemPlacer:explain_no_file(stem)
    if media_pool.import_file(self.opened.pool, self.clips, stem.file) then return nil end
    return (bmd.fileexists(stem.file) and "Resolve did not import " or "the file is not there: ") .. stem.file
end

-- Returns the placed clip { index, name, media, record_frame, duration, note, change, remark }, or nil and why not.
function StemPlacer:place_stem(stem)
    if not self:is_timeline_open() then
        return nil, "the timeline was left while stems were placed; run Selva again on it"
    end
    local no_file = self:explain_no_file(stem)
    if no_file then return nil, no_file end
    local media = media_pool.import_file(self.opened.pool, self.clips, stem.file)
    local place, problem = self.pictures:follow(stem)
    if not place then return nil, problem end
    stem, problem = self:cut_to(stem, place, media)
    if not stem then return nil, problem end
    local _, length = self:clip_frames(media, stem.duration_frames)
    local index, name, present, note = self:choose_track(stem, media, stem.record_frame + length)
    if not index then
        return nil, "no audio track is free at this place: all named '" .. stem.track .. "' are locked or occupied, disabled "
            .. "or not mono"
    end
    local clip = { index = index, name = name, media = media, record_frame = stem.record_frame, note = note,
        change = place.change, remark = not self.tracks_made[name] and self:describe_unknown_type(index) or nil }
    if present then
        clip.duration = present.last - present.first
        return clip
    end
    -- The file of a stem that is only moved was tagged when it was made, with the track that was made for it.
    if not (stem.replaces_item and media_pool.is_tagged(media)) then
        media_pool.tag_clip(media, stem.comment, self.tracks_made[name] and name or nil)
    end
    local item, duration = self:append_calibrated(media, stem, index)
    if not item or not duration then return nil, "Resolve placed nothing on track '" .. name .. "'" end
    apply_fades_and_gain(item, stem)
    local spans = self:spans(index)
    spans[#spans + 1] = { first = stem.record_frame, last = stem.record_frame + duration, item = item, is_new = true }
    clip.duration = duration
    return clip
end

local function placement_key(id, record_frame)
    return tostring(id) .. "@" .. tostring(record_frame)
end

-- What really lies on an audio track: the placement key of each item.
function StemPlacer:read_track(index)
    local present = {}
    for _, item in ipairs(items_of(call(self.timeline, "GetItemListInTrack", "audio", index))) do
        present[placement_key(clip_id(item), round_frames(call(item, "GetStart")))] = true
        api.yield_to_resolve()
    end
    return present
end

-- Numbers of the stems that were placed and are not on their track; each track is read once.
function StemPlacer:find_missing(num_stems, placed)
    local tracks, missing = {}, {}
    for number = 1, num_stems do
        local clip = placed[number]
        if clip then
            tracks[clip.index] = tracks[clip.index] or self:read_track(clip.index)
            local key = placement_key(call(clip.media, "GetUniqueId"), clip.record_frame)
            if not tracks[clip.index][key] then missing[#missing + 1] = number end
        end
    end
    return missing
end

-- SaveProject answers nil on some builds although it saved; only false is a failure.
function StemPlacer:save()
    return call(self.opened.manager, "SaveProject") ~= false
end

return StemPlacer
