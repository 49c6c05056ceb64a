-- Selva for DaVinci Resolve 18.5 to 21.1, Free and Studio: stems from picture, on named audio tracks.
--
-- Two primitives: the snapshot says what is on the timeline in Resolve's own units; placing puts finished files on
-- tracks and reports what is really there. What to render and where it belongs is decided in Python, by
-- `selva host resolve --watch`.
-- Plain Lua 5.1. It runs where io, os.execute, require and ffi are missing (Free 21.1): messages then leave through
-- Fusion's preferences. Replies always come in through loadfile. Waiting is bmd.wait, so that Resolve stays usable.

local actions = import("actions")
local console = import("console")
local conversation = import("conversation")
local installed = import("installed")
local resolve_api = import("resolve_api")

-- Up to 18.1 AppendToTimeline knows no recordFrame and appends every clip at the end of the timeline.
local MIN_MAJOR, MIN_MINOR = 18, 5

-- Why the agent cannot work here, or nil.
local function find_obstacle()
    if not resolve_api.is_alive() then return "Resolve gives scripts no project manager; open a project first" end
    if not resolve_api.is_at_least(MIN_MAJOR, MIN_MINOR) then
        return "Resolve " .. MIN_MAJOR .. "." .. MIN_MINOR .. " or later is needed: older versions ignore where a clip "
            .. "should go"
    end
    if not resolve_api.open_project().timeline then return "open a timeline first" end
    if installed.exchange == "" then return "this file was copied by hand; run: selva host install resolve" end
    return nil
end

local obstacle = find_obstacle()
if obstacle then
    console.print_line(obstacle)
else
    conversation.claim_run()
    actions[installed.action]()
end
