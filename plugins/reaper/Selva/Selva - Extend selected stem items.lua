-- @noindex
-- Draws selected stem items out to the time selection or their picture; beyond their files, by takes that go on.

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
if reaper.GetOS():find("^Win") and folder:find("[\x80-\xFF]") then
  -- Lua opens files by the ANSI code page there; the short name of the folder is plain ASCII
  local answer = reaper.ExecProcess('cmd.exe /Q /C for %I in ("' .. folder:sub(1, -2) .. '") do @echo %~sI', 5000)
  folder = (answer and answer:match("\n([^\r\n]+)") or folder:sub(1, -2)) .. "\\"
  local file = io.open(folder .. "lib/selva.lua")
  if not file then
    return reaper.MB("Selva's scripts lie in a folder that Lua cannot open, because its name has letters beyond ASCII and "
      .. "this drive keeps no short names. Run this in a terminal, it says what to do:\n\n"
      .. "selva host install reaper", "Selva", 0)
  end
  file:close()
end
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").extend()
