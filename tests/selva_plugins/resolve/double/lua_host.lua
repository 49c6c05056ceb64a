-- Runs a menu script under a real Lua 5.1 or LuaJIT, with the objects of Resolve proxied to the model in Python.
-- Talks on stdin and stdout: one JSON object per line out, one Lua literal per line in.
-- Arguments: script, "open" or "sandbox", product line.

local script_path, sandbox = arg[1], arg[2] == "sandbox"

local stdin, stdout, leave = io.stdin, io.stdout, os.exit
local real_open, real_loadstring, real_setfenv, new_userdata = io.open, loadstring, setfenv, newproxy
local ids = setmetatable({}, { __mode = "k" })
local proxies = setmetatable({}, { __mode = "v" })

-- wire ---------------------------------------------------------------------------------------------------------------

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quote(text)
    return '"' .. text:gsub('[%c"\\]', function(c)
        return ESCAPES[c] or string.format("\\u%04x", c:byte())
    end) .. '"'
end

local encode

local function encode_table(value)
    local count = 0
    for key in pairs(value) do
        if key ~= "__flags" then count = count + 1 end
    end
    local parts = {}
    if count == #value then
        for index = 1, #value do parts[index] = encode(value[index]) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do
        parts[#parts + 1] = quote(tostring(key)) .. ":" .. encode(item)
    end
    return "{" .. table.concat(parts, ",") .. "}"
end

function encode(value)
    local kind = type(value)
    if kind == "nil" then return "null" end
    if kind == "boolean" then return tostring(value) end
    if kind == "string" then return quote(value) end
    if kind == "number" then
        if value == math.floor(value) and math.abs(value) < 2 ^ 53 then return string.format("%.0f", value) end
        return string.format("%.17g", value)
    end
    if kind == "userdata" and ids[value] then return '{"__object":' .. ids[value] .. "}" end
    if kind == "table" then return encode_table(value) end
    return '{"__unsendable":' .. quote(kind) .. "}"
end

local wrap

local function ask(message)
    stdout:write(encode(message), "\n")
    stdout:flush()
    local line = stdin:read("*l")
    if not line then leave(3) end
    local chunk = assert(real_loadstring("return " .. line))
    real_setfenv(chunk, { object = wrap })
    return chunk()
end

-- objects ------------------------------------------------------------------------------------------------------------

local function same(left, right)
    return ask({ op = "same", left = left, right = right })
end

-- What a name is on a kind of object does not change while a script runs.
local looks = {}

local function look(proxy, kind, name)
    local key = kind .. "." .. tostring(name)
    if looks[key] == nil then looks[key] = ask({ op = "look", object = proxy, name = name }) end
    return looks[key]
end

function wrap(id, kind)
    local known = proxies[id]
    if known then return known end
    local proxy = new_userdata(true)
    local meta = getmetatable(proxy)
    meta.__index = function(_, name)
        local what = look(proxy, kind, name)
        if what == "missing" then return nil end
        if type(what) == "number" then return what end
        return function(self, ...)
            if self ~= proxy and not ids[self] then
                ask({ op = "violation", text = name .. " was called without its object; use a colon" })
                return nil
            end
            local arguments = {}
            for index = 1, select("#", ...) do
                arguments[index] = { (select(index, ...)) }
            end
            return ask({ op = "call", object = self, name = name, arguments = arguments })
        end
    end
    meta.__newindex = function(_, name)
        ask({ op = "violation", text = "a script set the field " .. tostring(name) })
    end
    meta.__eq = same
    ids[proxy], proxies[id] = id, proxy
    return proxy
end

-- windows (UIManager) ------------------------------------------------------------------------------------------------

local function element(kind)
    return function(_, attributes)
        local item = { kind = kind, children = {} }
        for key, value in pairs(attributes or {}) do
            if type(key) == "number" then
                if type(value) == "table" and value.kind then item.children[#item.children + 1] = value end
            else
                item[key] = value
            end
        end
        return item
    end
end

local function collect(item, found)
    if item.ID then found[item.ID] = item end
    for _, child in ipairs(item.children or {}) do collect(child, found) end
    return found
end

local KINDS = { "VGroup", "HGroup", "Label", "LineEdit", "TextEdit", "SpinBox", "ComboBox", "CheckBox", "Button",
    "VGap", "HGap" }

local function ui_manager()
    local ui = {}
    for _, kind in ipairs(KINDS) do ui[kind] = element(kind) end
    return ui
end

local function ui_dispatcher()
    local dispatcher, window, leaving = {}, nil, false
    function dispatcher.AddWindow(_, attributes, ...)
        local root = { children = {} }
        for index = 1, select("#", ...) do
            local child = (select(index, ...))
            if child.kind then
                root.children[#root.children + 1] = child
            else
                for _, inner in ipairs(child) do root.children[#root.children + 1] = inner end
            end
        end
        local items = collect(root, {})
        local handlers = setmetatable({}, { __index = function(self, id)
            local handler = {}
            rawset(self, id, handler)
            return handler
        end })
        window = { attributes = attributes, items = items, On = handlers }
        function window.GetItems() return items end
        function window.Find(_, id) return items[id] end
        function window.Show() end
        function window.Hide() end
        return window
    end
    function dispatcher.ExitLoop() leaving = true end
    function dispatcher.RunLoop()
        local fields = {}
        for id, item in pairs(window.items) do
            fields[id] = { kind = item.kind, text = item.Text or item.PlainText or "", value = item.Value or 0,
                checked = item.Checked or false }
        end
        local answer = ask({ op = "window", id = window.attributes.ID, title = window.attributes.WindowTitle,
            fields = fields })
        for id, value in pairs(answer.set) do
            local item = window.items[id]
            if type(value) == "boolean" then item.Checked = value
            elseif type(value) == "number" then item.Value = value
            elseif item.kind == "TextEdit" then item.PlainText = value
            else item.Text = value end
        end
        if answer.click == "" then
            window.On[window.attributes.ID].Close({})
        else
            window.On[answer.click].Clicked({})
        end
        if not leaving then ask({ op = "violation", text = "the window's loop was not left" }) end
    end
    return dispatcher
end

-- the environment of a menu script -----------------------------------------------------------------------------------

local function exists(path)
    local file = real_open(path, "rb")
    if file then file:close() end
    return file ~= nil
end

local fusion = new_userdata(true)
local FUSION_CALLS = { GetPrefs = true, SetPrefs = true, SavePrefs = true, MapPath = true }
getmetatable(fusion).__index = function(_, name)
    if name == "UIManager" then
        return ask({ op = "ui" }) and ui_manager() or nil
    end
    if not FUSION_CALLS[name] then
        ask({ op = "violation", text = "fusion:" .. name .. " must not be used by a menu script" })
        return nil
    end
    return function(_, ...)
        local arguments = {}
        for index = 1, select("#", ...) do arguments[index] = { (select(index, ...)) } end
        return ask({ op = "fusion", name = name, arguments = arguments })
    end
end

local bmd = {
    _VERSION = "21",
    wait = function(seconds) ask({ op = "wait", seconds = seconds }) end,
    gettime = function() return ask({ op = "time" }) end,
    fileexists = exists,
    direxists = function(path) return ask({ op = "direxists", path = path }) end,
    createuuid = function() return ask({ op = "uuid" }) end,
    getpid = function() return 4711 end,
    readstring = function(text) return real_loadstring("return " .. text)() end,
    writestring = function(value) return encode(value) end,
    UIDispatcher = function(_) return ui_dispatcher() end,
}

-- Time passes only where the script waits, so that its timeouts take no real time in tests.
local function now()
    return ask({ op = "time" })
end

local safe_os = { clock = now, date = os.date, difftime = os.difftime, getenv = os.getenv, tmpname = os.tmpname,
    time = function() return math.floor(now()) end }

local function print_line(...)
    local texts = {}
    for index = 1, select("#", ...) do texts[index] = tostring((select(index, ...))) end
    ask({ op = "print", text = table.concat(texts, "\t") })
end

local environment = { _VERSION = _VERSION, assert = assert, error = error, getmetatable = getmetatable, ipairs = ipairs,
    next = next, pairs = pairs, pcall = pcall, rawequal = rawequal, rawget = rawget, rawset = rawset, select = select,
    setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
    xpcall = xpcall, setfenv = setfenv, getfenv = getfenv, loadfile = loadfile, dofile = dofile,
    loadstring = loadstring, load = load, coroutine = coroutine, math = math, string = string, table = table,
    bit = rawget(_G, "bit"), jit = rawget(_G, "jit"), bmd = bmd, fusion = fusion, fu = fusion, app = fusion, resolve = wrap(0, "Resolve"), print = print_line }

if sandbox then
    environment.os = safe_os
    for _, name in ipairs({ "io", "require", "package", "ffi", "debug", "os", "newproxy", "module", "arg" }) do
        _G[name] = nil
    end
    _G.os = safe_os
else
    environment.io = io
    environment.require, environment.package, environment.debug = require, package, debug
    environment.os = setmetatable({
        time = safe_os.time, clock = safe_os.clock,
        execute = function(command) return ask({ op = "execute", command = command }) end,
        exit = function() ask({ op = "violation", text = "os.exit ends Resolve's script host" }) end,
    }, { __index = os })
end

-- Globals that some builds have and that a script may look for.
local OPTIONAL = { Resolve = true, io = true, jit = true }

setmetatable(environment, {
    __newindex = function(_, name)
        ask({ op = "violation", text = "the script wrote the global " .. tostring(name) })
    end,
    __index = function(_, name)
        if not OPTIONAL[name] then
            ask({ op = "violation", text = "the script read the global " .. tostring(name) .. ", which no build has" })
        end
    end,
})

local chunk, problem = loadfile(script_path)
if not chunk then
    ask({ op = "done", error = problem })
    return
end
setfenv(chunk, environment)
local fine, trouble = pcall(chunk)
ask({ op = "done", error = (not fine) and tostring(trouble) or nil })
