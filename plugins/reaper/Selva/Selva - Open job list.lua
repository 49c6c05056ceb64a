-- @noindex
-- Shows running, waiting and finished requests; places results of an earlier REAPER run.

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").open_job_list()
