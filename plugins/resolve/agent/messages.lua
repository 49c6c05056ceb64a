-- Messages to the bridge and its replies: whole or not at all, by files, or by Fusion's preferences where files cannot
-- be written. selva_plugins/hosts/resolve/agent/messages.py is the other end.

local api = import("resolve_api")
local installed = import("installed")
local json = import("json")

local messages = {}

messages.SCHEMA = "selva.letter/1"

local PREFS_PIECE_CHARS = 16000
local PREFS_HEAD = "Global.SelvaLetter.SelvaHead"
local PREFS_PIECE = "Global.SelvaLetter.SelvaPiece"

function messages.to_hex(text)
    return (text:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

function messages.from_hex(text)
    return (text:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- "/" separates folders on every system; Windows takes it too.
local function join(...)
    return table.concat({ ... }, "/")
end

-- Where Resolve may export the timeline that a request is about.
function messages.export_path(id)
    return join(installed.exchange, "outbox", id .. ".otio")
end

-- Under another name first, then renamed: the bridge never sees half a message.
local function send_file(name, text)
    local path = join(installed.exchange, "outbox", name .. ".json")
    local file, problem = io.open(path .. ".part", "wb")
    if not file then return nil, problem end
    file:write(text)
    file:close()
    return os.rename(path .. ".part", path)
end

-- How many pieces the message in the preferences has.
local function count_pieces()
    local head = api.FUSION:GetPrefs(PREFS_HEAD)
    return type(head) == "string" and tonumber(head:match("^selva1 %S+ (%d+)")) or 0
end

-- Fusion's preferences keep ASCII only, so the message is hex, in pieces; one save writes them all. A longer message that
-- nobody fetched is overwritten with it.
local function send_prefs(name, text)
    local coded = messages.to_hex(text)
    local count = math.ceil(#coded / PREFS_PIECE_CHARS)
    for number = 1, math.max(count, count_pieces()) do
        local piece = coded:sub((number - 1) * PREFS_PIECE_CHARS + 1, number * PREFS_PIECE_CHARS)
        api.FUSION:SetPrefs(PREFS_PIECE .. number, piece)
    end
    api.FUSION:SetPrefs(PREFS_HEAD, string.format("selva1 %s %d %d", name, count, #text))
    api.FUSION:SavePrefs()
    return true
end

-- Removes the message from the preferences: other users of the machine can read them, and they are kept for ever.
function messages.clear_prefs()
    for number = 1, count_pieces() do api.FUSION:SetPrefs(PREFS_PIECE .. number, "") end
    api.FUSION:SetPrefs(PREFS_HEAD, "")
    api.FUSION:SavePrefs()
end

-- Sends a message to the bridge. Returns true, or nil and why not.
function messages.send(name, message)
    local text = json.encode(message)
    if not api.is_sandboxed() then return send_file(name, text) end
    if api.FUSION then return send_prefs(name, text) end
    return nil, "this Resolve allows neither files nor preferences to scripts"
end

-- A file of the bridge: one Lua table of plain values. Run in an empty environment, so that it can call nothing.
function messages.read_reply(name)
    local chunk = loadfile(join(installed.exchange, "inbox", name .. ".lua"))
    if not chunk then return nil end
    if setfenv then setfenv(chunk, {}) end
    local is_fine, reply = pcall(chunk)
    if is_fine and type(reply) == "table" then return reply end
    return nil
end

function messages.new_id()
    local random = tostring(bmd.createuuid and bmd.createuuid() or math.random()):gsub("[^%w]", ""):sub(1, 8):lower()
    return os.date("!%Y%m%dT%H%M%SZ") .. "-" .. random
end

return messages
