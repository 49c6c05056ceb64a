-- @noindex
-- Adds takes to selected stem items: the same cue with the next seeds, or an edited prompt.

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").new_takes()
