-- Calling Resolve's objects safely: what a version lacks reads as nil, and nothing that fails raises.

local api = {}

-- Lua menu scripts of Free 21.1 run inside Resolve's own process, where a long loop freezes the user interface.
local CALLS_BEFORE_YIELD = 200
local YIELD_S = 0.01

local calls_since_yield = 0

-- Give Resolve a moment to handle its own events, once enough calls were made.
function api.yield_to_resolve()
    if calls_since_yield >= CALLS_BEFORE_YIELD then
        calls_since_yield = 0
        bmd.wait(YIELD_S)
    end
end

-- The method of this name, or nil: a method that a version lacks reads as nil, and deleted objects raise.
local function find_method(object, name)
    if object == nil then return nil end
    local is_fine, found = pcall(function() return object[name] end)
    return is_fine and found or nil
end

-- Calls a method if this version has it; nil for everything that goes wrong.
function api.call(object, name, ...)
    local method = find_method(object, name)
    if method == nil then return nil end
    calls_since_yield = calls_since_yield + 1
    local is_fine, answer = pcall(method, object, ...)
    if is_fine then return answer end
    return nil
end

local call = api.call

-- Lists of Resolve carry an extra key (__flags) on some builds, so they are walked by number.
function api.items_of(list)
    local items = {}
    if type(list) == "table" then
        for index = 1, #list do items[index] = list[index] end
    end
    return items
end

-- A whole number of frames; 21.1 answers with floats.
function api.round_frames(number)
    if type(number) ~= "number" then return nil end
    return math.floor(number + 0.5)
end

-- The exact rate behind 24.0, "23.976" or "29.97 DF": what Resolve writes for 24000/1001 is rounded.
function api.parse_rate(value)
    local written = tonumber((tostring(value or ""):gsub(",", "."):match("%d+%.?%d*")))
    if not written then return nil end
    local ntsc = math.floor(written + 0.5) * 1000 / 1001
    return math.abs(written - ntsc) < 0.01 and ntsc or written
end

-- From 21.1 on all settings come in one call; before, each is asked for by name.
function api.get_setting(owner, name)
    local settings = call(owner, "GetSettings")
    if type(settings) == "table" then return settings[name] end
    return call(owner, "GetSetting", name)
end

-- All properties of a clip in one call; the keys are English in every language.
function api.get_properties(media)
    local properties = call(media, "GetClipProperty")
    return type(properties) == "table" and properties or {}
end

-- The globals of a menu script differ by version and by how it was started.
local function find_resolve()
    local found = resolve
    if found == nil and type(Resolve) == "function" then found = Resolve() end
    if found == nil and bmd and bmd.scriptapp then found = bmd.scriptapp("Resolve") end
    return found
end

local function find_fusion(resolve_object)
    for _, candidate in ipairs({ fusion or false, fu or false, app or false }) do
        if candidate and find_method(candidate, "SetPrefs") then return candidate end
    end
    return call(resolve_object, "Fusion")
end

api.RESOLVE = find_resolve()
api.FUSION = find_fusion(api.RESOLVE)

-- False as soon as Resolve closes. Writing Fusion's preferences after that can crash it on its way out.
function api.is_alive()
    return call(api.RESOLVE, "GetProjectManager") ~= nil
end

local version_fields

-- { major, minor, patch, build, suffix }
function api.get_version()
    version_fields = version_fields or api.items_of(call(api.RESOLVE, "GetVersion"))
    return version_fields
end

function api.is_at_least(major, minor)
    local fields = api.get_version()
    local have_major, have_minor = tonumber(fields[1]) or 0, tonumber(fields[2]) or 0
    return have_major > major or (have_major == major and have_minor >= minor)
end

-- IsStudio exists from 21.1 on; earlier versions are told apart by the product's name.
function api.is_studio()
    local answer = call(api.RESOLVE, "IsStudio")
    if answer ~= nil then return answer end
    return tostring(call(api.RESOLVE, "GetProductName")):find("Studio", 1, true) ~= nil
end

-- Whether files cannot be written from here, as on Free 21.1.
function api.is_sandboxed()
    return type(io) ~= "table" or type(os.rename) ~= "function"
end

-- Fetched anew for each use: Resolve's objects answer nil after a project or timeline was switched.
function api.open_project()
    local manager = call(api.RESOLVE, "GetProjectManager")
    local project = call(manager, "GetCurrentProject")
    return {
        manager = manager,
        project = project,
        pool = call(project, "GetMediaPool"),
        timeline = call(project, "GetCurrentTimeline"),
    }
end

return api
