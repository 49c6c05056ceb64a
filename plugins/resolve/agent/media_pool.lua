-- Selva's bin in the media pool: the clips of its stems, and the tag on each that tells them from the user's clips.

local api = import("resolve_api")

local call, items_of = api.call, api.items_of

local media_pool = {}

local BIN_NAME = "Selva"
local STEM_TAG = "[Selva stem"

-- The media pool has one current bin, and Resolve imports into that one only.
function media_pool.find_bin(pool)
    for _, folder in ipairs(items_of(call(call(pool, "GetRootFolder"), "GetSubFolderList"))) do
        if call(folder, "GetName") == BIN_NAME then return folder end
    end
    return nil
end

-- Selva's bin, made current, and the bin that was current before. AddSubFolder allows a second bin of one name, so
-- that one is looked for first.
function media_pool.enter_bin(pool)
    local before = call(pool, "GetCurrentFolder")
    local bin = media_pool.find_bin(pool) or call(pool, "AddSubFolder", call(pool, "GetRootFolder"), BIN_NAME)
    call(pool, "SetCurrentFolder", bin)
    return bin, before
end

local function file_name(path)
    return path:match("[^/\\]+$")
end

local function is_same_path(one, other)
    return one:gsub("\\", "/") == other:gsub("\\", "/")
end

-- The clips of our bin by file name, which is unique among stems; Resolve may report the path behind a link.
function media_pool.index_clips(bin)
    local clips = {}
    for _, media in ipairs(items_of(call(bin, "GetClipList"))) do
        local path = api.get_properties(media)["File Path"]
        local name = type(path) == "string" and file_name(path)
        if name then clips[name] = { media = media, path = path } end
        api.yield_to_resolve()
    end
    return clips
end

-- The pool item of a file. Up to 21.0 a list of paths is the documented form, from 21.1 on tables with FilePath.
function media_pool.import_file(pool, clips, path)
    local known = clips[file_name(path)]
    if known and (is_same_path(known.path, path) or bmd.fileexists(known.path)) then return known.media end
    local forms = { { path }, { { FilePath = path } } }
    if api.is_at_least(21, 1) then forms[1], forms[2] = forms[2], forms[1] end
    for _, form in ipairs(forms) do
        local media = items_of(call(pool, "ImportMedia", form))[1]
        if media then
            clips[file_name(path)] = { media = media, path = path }
            return media
        end
    end
    return nil
end

-- track_made: name of the track that was made for this stem, or nil.
function media_pool.tag_clip(media, comment, track_made)
    local made = track_made and ("; track made: " .. track_made) or ""
    call(media, "SetMetadata", "Comments", comment .. " " .. STEM_TAG .. made .. "]")
end

function media_pool.is_tagged(media)
    local comment = call(media, "GetMetadata", "Comments")
    return type(comment) == "string" and comment:find(STEM_TAG, 1, true) ~= nil
end

-- Clips of our bin that carry our tag: id -> name of the track that was made for it, or "".
function media_pool.find_tagged_clips(bin)
    local tagged = {}
    for _, media in ipairs(items_of(call(bin, "GetClipList"))) do
        local comment = call(media, "GetMetadata", "Comments")
        local id = call(media, "GetUniqueId")
        if id and type(comment) == "string" and comment:find(STEM_TAG, 1, true) then
            tagged[id] = comment:match("; track made: (.*)%]$") or ""
        end
    end
    return tagged
end

return media_pool
