-- @noindex
-- Makes a stem for each region or marker named like "Dog: small dog barking".

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").generate_for_regions()
