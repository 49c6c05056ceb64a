-- @noindex
-- After the cut was changed: moves stems, the selected ones or all, to where their picture is now.

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
if reaper.GetOS():find("^Win") and folder:find("[\x80-\xFF]") then
  -- Lua opens files by the ANSI code page there; the short name of the folder is plain ASCII
  local answer = reaper.ExecProcess('cmd.exe /Q /C for %I in ("' .. folder:sub(1, -2) .. '") do @echo %~sI', 5000)
  folder = (answer and answer:match("\n([^\r\n]+)") or folder:sub(1, -2)) .. "\\"
end
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").move_to_picture()
