-- Where the picture of a stem is now: clips are moved, trimmed, split, slipped and deleted while stems are made, and plans
-- may wait for days. A stem follows its picture, cut to what is still seen of it, or is held; the report says which.
-- selva_plugins/hosts/resolve/scripting/pictures.py does the same; tests hold both to the same reports.

local api = import("resolve_api")

local call, items_of, round_frames = api.call, api.items_of, api.round_frames

-- Offsets are whole frames on some versions and parts of frames on others.
local SAME_FRAMES = 0.5
local SAME_TOTAL_FRAMES = 1.5
local SAME_PERCENT = 0.01

local Pictures = {}
Pictures.__index = Pictures

function Pictures.new(timeline)
    return setmetatable({ timeline = timeline }, Pictures)
end

local function is_near(one, other, tolerance)
    if one == nil or other == nil then return true end
    return math.abs(one - other) < tolerance
end

-- What this version reports about the range that an item shows; the snapshot describes items by the same values.
function Pictures.read_range(item)
    local speed = call(item, "GetSpeed")
    local source_start_frame = call(item, "GetSourceStartFrame")
    local right_offset
    -- Versions from 19.0.2 on report parts of frames, and source frames.
    if source_start_frame then right_offset = call(item, "GetRightOffset", true) end
    return {
        start = round_frames(call(item, "GetStart")), duration = round_frames(call(item, "GetDuration")),
        left_offset = call(item, "GetLeftOffset"), right_offset = right_offset or call(item, "GetRightOffset"),
        source_start_frame = source_start_frame,
        speed_percent = type(speed) == "table" and speed.Percentage or nil,
    }
end

local function describe(item, is_track_enabled)
    local picture = Pictures.read_range(item)
    picture.media_id = call(call(item, "GetMediaPoolItem"), "GetUniqueId")
    picture.last = (picture.start or 0) + (picture.duration or 0)
    picture.origin = (picture.start or 0) - (picture.left_offset or 0)
    picture.is_seen = is_track_enabled and call(item, "GetClipEnabled") ~= false
    return picture
end

-- All items of the video tracks, read when the first stem asks.
function Pictures:read()
    if self.all then return end
    self.all, self.by_id = {}, {}
    for index = 1, call(self.timeline, "GetTrackCount", "video") or 0 do
        local is_enabled = call(self.timeline, "GetIsTrackEnabled", "video", index) ~= false
        for _, item in ipairs(items_of(call(self.timeline, "GetItemListInTrack", "video", index))) do
            local picture = describe(item, is_enabled)
            picture.track = index
            self.all[#self.all + 1] = picture
            local id = call(item, "GetUniqueId")
            if id then self.by_id[id] = picture end
            api.yield_to_resolve()
        end
    end
end

local function shows_same_range(anchor, now)
    return now.duration == anchor.duration and is_near(now.left_offset, anchor.left_offset, SAME_FRAMES)
        and is_near(now.right_offset, anchor.right_offset, SAME_TOTAL_FRAMES)
        and is_near(now.source_start_frame, anchor.source_start_frame, SAME_FRAMES)
        and is_near(now.speed_percent, anchor.speed_percent, SAME_PERCENT)
end

-- All of the media at the clip's speed: trimming and slipping keep it, a new speed does not.
local function has_same_speed(anchor, now)
    if not is_near(now.speed_percent, anchor.speed_percent, SAME_PERCENT) then return false end
    if now.right_offset == nil or anchor.right_offset == nil then return true end
    local then_total = anchor.left_offset + anchor.duration + anchor.right_offset
    return math.abs(now.left_offset + now.duration + now.right_offset - then_total) < SAME_TOTAL_FRAMES
end

-- The item that shows the same frames of the same media in the same place, after a split or a paste: the one that shows
-- most of what the stem is for.
function Pictures:find_same_place(stem)
    local anchor, best, best_frames = stem.anchor, nil, 0
    for _, picture in ipairs(self.all) do
        local is_same = picture.media_id == anchor.media_id and picture.is_seen
            and is_near(picture.origin, anchor.start - anchor.left_offset, SAME_FRAMES)
        local shown = math.min(picture.last, stem.record_frame + stem.duration_frames)
            - math.max(picture.start, stem.record_frame)
        if is_same and shown > best_frames and has_same_speed(anchor, picture) then
            best, best_frames = picture, shown
        end
    end
    return best
end

-- From where to where an item and its neighbours show one range of the media: a split clip goes on as one.
function Pictures:find_run(now)
    local first, last = now.start, now.last
    local has_grown = true
    while has_grown do
        has_grown = false
        for _, picture in ipairs(self.all) do
            local goes_on = picture.last > picture.start and picture.track == now.track and picture.media_id == now.media_id and picture.is_seen
                and is_near(picture.origin, now.origin, SAME_FRAMES)
            if goes_on and picture.last == first then first, has_grown = picture.start, true end
            if goes_on and picture.start == last then last, has_grown = picture.last, true end
        end
    end
    return first, last
end

-- The item that a stem goes with now and by how many frames its picture has moved; or nil and why the stem is held.
function Pictures:find_now(stem)
    local anchor = stem.anchor
    local now = self.by_id[anchor.item_id]
    if now and not now.is_seen then return nil, "it is disabled" end
    if now and now.media_id ~= anchor.media_id then return nil, "it shows other media" end
    if now and not anchor.is_linear then
        if shows_same_range(anchor, now) then return now, now.start - anchor.start end
        return nil, "its range or speed is another"
    end
    if now and not has_same_speed(anchor, now) then return nil, "its speed is another" end
    if now then return now, math.floor(now.origin - (anchor.start - anchor.left_offset) + 0.5) end
    now = anchor.is_linear and self:find_same_place(stem)
    if now then return now, 0 end
    return nil, "it is not on the timeline any more"
end

local function describe_change(anchor, shift, cut_to, planned, has_new)
    local parts = {}
    if shift ~= 0 then parts[#parts + 1] = string.format("moved by %+d frame(s) with its picture", shift) end
    if cut_to < planned then
        parts[#parts + 1] = string.format("cut to the %d of %d frame(s) that are still seen", cut_to, planned)
    end
    local text = #parts > 0 and ("the stem was " .. table.concat(parts, " and ")) or nil
    if has_new then
        local new = "the picture that was added has no sound; choose 'Generate stems' again for it"
        text = text and (text .. "; " .. new) or new
    end
    return text and ("'" .. anchor.name .. "' was changed since the request: " .. text) or nil
end

-- Where a stem belongs now: { record_frame, duration_frames, cut_frames (off its beginning), change (in words, or nil) };
-- or nil and why it is held.
function Pictures:follow(stem)
    local anchor = stem.anchor
    local planned = { record_frame = stem.record_frame, duration_frames = stem.duration_frames, cut_frames = 0 }
    if not anchor then return planned end
    self:read()
    local now, shift = self:find_now(stem)
    if not now then
        return nil, "'" .. anchor.name .. "' was changed since the request: " .. shift
            .. "; choose 'Generate stems' again where it is needed"
    end
    if now.start == anchor.start and shows_same_range(anchor, now) then return planned end
    local run_first, run_last = self:find_run(now)
    local moved = stem.record_frame + shift
    local first = math.max(moved, run_first)
    local last = math.min(moved + stem.duration_frames, run_last)
    if first >= last then
        return nil, "'" .. anchor.name .. "' was changed since the request: the picture that the stem was made for is not seen "
            .. "any more; choose 'Generate stems' again"
    end
    local anchor_first = anchor.start + shift
    local has_new = now.start < anchor_first or now.last > anchor_first + anchor.duration
    return { record_frame = first, duration_frames = last - first, cut_frames = first - moved,
        change = describe_change(anchor, shift, last - first, stem.duration_frames, has_new) }
end

return Pictures
