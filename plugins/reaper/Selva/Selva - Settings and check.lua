-- @noindex
-- Shows versions, daemon, models and faults of the installation; edits the defaults.

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").settings_and_check()
