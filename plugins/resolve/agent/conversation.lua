-- Talking with the bridge: a request is sent, acknowledged, worked on, and its stems are placed and reported.

local api = import("resolve_api")
local console = import("console")
local installed = import("installed")
local json = import("json")
local messages = import("messages")
local place = import("placement").place

local conversation = {}

local POLL_S = 0.2
local ACKNOWLEDGE_TIMEOUT_S = 4
local START_TIMEOUT_S = 30
-- The bridge counts its heartbeat up every second; after so long without a new one it is gone.
local SILENCE_TIMEOUT_S = 120
local TOTAL_TIMEOUT_S = 1800

-- Only the newest run waits: an older one finds another mark here and ends. Kept in memory, not saved.
local RUN_PREFERENCE = "Global.Selva.Run"
local RUN = messages.new_id()

function conversation.claim_run()
    if api.FUSION then api.FUSION:SetPrefs(RUN_PREFERENCE, RUN) end
end

local function is_superseded()
    local current = api.FUSION and api.FUSION:GetPrefs(RUN_PREFERENCE)
    return current ~= nil and current ~= RUN
end

-- Requests whose plans were placed here, newest first. A bridge that does not run cannot receive
-- the report and goes on listing the plan as waiting; saved, so that a restart of Resolve does not place it again.
local PLACED_PREFERENCE = "Global.Selva.Placed"
local MAX_PLACED = 50

local function read_placed()
    local placed = {}
    local text = api.FUSION and api.FUSION:GetPrefs(PLACED_PREFERENCE)
    for id in tostring(text or ""):gmatch("[%w-]+") do placed[#placed + 1] = id end
    return placed
end

local function was_placed(id)
    for _, placed in ipairs(read_placed()) do
        if placed == id then return true end
    end
    return false
end

local function remember_placed(id)
    if not api.FUSION or was_placed(id) then return end
    local placed = read_placed()
    table.insert(placed, 1, id)
    api.FUSION:SetPrefs(PLACED_PREFERENCE, table.concat(placed, " ", 1, math.min(#placed, MAX_PLACED)))
    api.FUSION:SavePrefs()
end

-- For messages: requests that are over, whether or not the bridge got their reports.
function conversation.list_placed()
    local placed = json.array()
    for index, id in ipairs(read_placed()) do placed[index] = id end
    return placed
end

local function start_bridge()
    if type(os.execute) ~= "function" or installed.command == "" then return false end
    console.print_line("starting the bridge")
    os.execute(installed.command)
    return true
end

-- Waits until `is_expected(reply)`. Returns the reply; nil and "silent" or "long" after a timeout; nil alone when this
-- run should end silently.
function conversation.await_reply(id, timeout_s, is_expected)
    local started, last_news, last_beat = os.time(), os.time(), nil
    while os.difftime(os.time(), started) < TOTAL_TIMEOUT_S do
        bmd.wait(POLL_S)
        if not api.is_alive() or is_superseded() then return nil end
        local reply = messages.read_reply(id)
        if reply and reply.beat ~= last_beat then
            last_news, last_beat = os.time(), reply.beat
            if reply.message then console.print_line(reply.message) end
        end
        if reply and is_expected(reply) then return reply end
        if os.difftime(os.time(), last_news) >= timeout_s then return nil, "silent" end
    end
    return nil, "long"
end

function conversation.await_result(id)
    return conversation.await_reply(id, SILENCE_TIMEOUT_S, function(reply) return reply.state ~= "working" end)
end

-- Sends a request and waits for its acknowledgement, starting the bridge where this Resolve allows that.
-- Returns whether it was acknowledged; the user has seen a message when it was not.
function conversation.send_request(id, message)
    local sent, problem = messages.send(id .. "-1", message)
    if not sent then
        console.show_outcome("the request could not be written",
            { tostring(problem), "run: " .. installed.terminal_commands.install }, true)
        return false
    end
    local function is_received(reply) return reply.received ~= nil end
    local reply, reason = conversation.await_reply(id, ACKNOWLEDGE_TIMEOUT_S, is_received)
    if not reply and reason and start_bridge() then
        reply, reason = conversation.await_reply(id, START_TIMEOUT_S, is_received)
    end
    if not reply and reason then
        console.show_outcome("the bridge does not answer",
            { "start it and leave it running: " .. installed.terminal_commands.watch,
                "the request is kept; choose 'Place finished stems' later" }, true)
    end
    if reply and api.is_sandboxed() then messages.clear_prefs() end
    return reply ~= nil
end

function conversation.place_and_report(id, reply)
    local report, problem = place(reply.plan)
    if not report then
        console.show_outcome("stems are ready and wait", { problem, "open it and choose 'Place finished stems'" }, true)
        return
    end
    remember_placed(id)
    messages.send(id .. "-2", { schema = messages.SCHEMA, kind = "report", request = id, report = report })
    console.show_report(report, reply.lines)
    local function is_reported(answer) return answer.state == "reported" end
    if api.is_sandboxed() and conversation.await_reply(id, ACKNOWLEDGE_TIMEOUT_S, is_reported) then
        messages.clear_prefs()
    end
end

-- Places the finished plans that wait for this timeline, each once. Returns how many.
function conversation.place_waiting()
    local timeline_id = api.call(api.open_project().timeline, "GetUniqueId")
    local count = 0
    for _, entry in ipairs(messages.read_reply("waiting") or {}) do
        if entry.timeline_id == timeline_id and not was_placed(entry.request) then
            local reply = messages.read_reply(entry.request)
            if reply and reply.plan then
                conversation.place_and_report(entry.request, reply)
                count = count + 1
            end
        end
    end
    return count
end

-- Places what the panel hands out until it is closed, the bridge is gone, or another entry of the menu is chosen.
function conversation.place_while_open(id)
    local last_news, last_beat = os.time(), nil
    while os.difftime(os.time(), last_news) < SILENCE_TIMEOUT_S do
        bmd.wait(POLL_S)
        if not api.is_alive() or is_superseded() then return end
        conversation.place_waiting()
        local reply = messages.read_reply(id)
        if reply and reply.beat ~= last_beat then last_news, last_beat = os.time(), reply.beat end
        if reply and reply.state == "failed" then return console.print_line(reply.title or "the panel was closed") end
    end
end

return conversation
