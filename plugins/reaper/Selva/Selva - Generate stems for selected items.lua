-- @description Selva: aligned sound stems from picture and prompts
-- @version 0.1.0
-- @author Selva Bridge contributors
-- @about
--   # Selva
--
--   Select video items, name the sounds you want ("Dog: small dog barking"), keep working, and find one stem per sound on
--   its own track, on the right sample, with several takes if you like, one undo away.
--
--   The work is done by Selva Bridge on the same machine. Install it first, then run `selva host install reaper`; see
--   docs/hosts/reaper.md of the project.
-- @changelog
--   First release.
-- @provides
--   [main] .
--   [main] Selva - Generate stems from regions and markers.lua
--   [main] Selva - New takes for selected stem items.lua
--   [main] Selva - Redo time selection of selected stem items.lua
--   [main] Selva - Extend selected stem items.lua
--   [main] Selva - Move stems to their picture.lua
--   [main] Selva - Conform stems to this cut.lua
--   [main] Selva - Mark sounds in selected stem items.lua
--   [main] Selva - Open job list.lua
--   [main] Selva - Open the panel.lua
--   [main] Selva - Settings and check.lua
--   [nomain] lib/*.lua

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
selva.import("actions").generate_for_items()
