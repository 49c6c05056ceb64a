-- The entries of Workspace > Scripts > Selva.

local api = import("resolve_api")
local console = import("console")
local conversation = import("conversation")
local installed = import("installed")
local messages = import("messages")
local prompt_window = import("prompt_window")
local remove = import("removal").remove
local timeline_reader = import("timeline_reader")

local actions = {}

local function build_request(id, answer)
    return {
        schema = messages.SCHEMA, kind = "generate", request = id, agent = installed.version,
        placed = conversation.list_placed(), prompts = answer.prompts or "", takes = answer.takes or 1, replaces = answer.replaces or false,
        snapshot = timeline_reader.take_snapshot(messages.export_path(id)),
    }
end

function actions.generate()
    if conversation.place_waiting() > 0 then
        return console.print_line("these stems had been waiting; choose 'Generate stems' again for new ones")
    end
    local answer = prompt_window.ask()
    if not answer then return end
    local id = messages.new_id()
    if not conversation.send_request(id, build_request(id, answer)) then return end
    if api.is_sandboxed() then
        console.show_marker("Selva: making stems", "Progress: where selva host resolve --watch runs", "Yellow")
    end
    local reply, reason = conversation.await_result(id)
    if reply and reply.plan then
        conversation.place_and_report(id, reply)
    elseif reply then
        console.show_outcome(reply.title or "no stems", reply.lines or {}, true)
    elseif reason then
        console.show_outcome("still rendering", { "choose 'Place finished stems' later" }, false)
    end
end

-- The page asks for everything else. Stems that are placed from it wait for this timeline; they appear while this runs.
function actions.panel()
    local id = messages.new_id()
    local request = build_request(id, {})
    request.kind = "panel"
    if not conversation.send_request(id, request) then return end
    console.print_line("the panel opens in the browser; what you place there appears on this timeline")
    conversation.place_while_open(id)
end

-- The first time the bridge answers with the list of what would be done, once more with the plan that does it.
function actions.conform()
    local id = messages.new_id()
    local request = build_request(id, {})
    request.kind = "conform"
    if not conversation.send_request(id, request) then return end
    local reply, reason = conversation.await_result(id)
    if reply and reply.plan then
        conversation.place_and_report(id, reply)
    elseif reply then
        console.show_outcome(reply.title or "nothing was conformed", reply.lines or {}, reply.state == "failed")
    elseif reason then
        console.show_outcome("still rendering", { "choose 'Place finished stems' later" }, false)
    end
end

function actions.place()
    if conversation.place_waiting() == 0 then
        console.show_outcome("no finished stems wait for this timeline", {}, false)
    end
end

function actions.stop()
    local id = messages.new_id()
    if conversation.send_request(id, { schema = messages.SCHEMA, kind = "stop", request = id }) then
        console.show_outcome("rendering was stopped", {}, false)
    end
end

function actions.remove()
    local report = remove()
    local lines = {}
    if report.kept > 0 then lines[1] = console.count_of(report.kept, "stem") .. " kept: the track is locked" end
    console.show_outcome(console.count_of(report.stems, "stem") .. ", " .. console.count_of(report.tracks, "track")
        .. " and " .. console.count_of(report.clips, "clip") .. " removed", lines, report.kept > 0)
end

return actions
