-- @description Selva: aligned sound stems from picture and prompts
-- @version 0.1.0
-- @author Selva Bridge contributors
-- @about
--   # Selva
--
--   Select video items, name the sounds you want ("Dog: small dog barking"), keep working, and find one stem per sound on
--   its own track, on the right sample, as takes where you asked for several, one undo away.
--
--   The work is done by Selva Bridge on the same machine. Install it first, then run `selva host install reaper`; see
--   docs/reaper.md of the project.
-- @changelog
--   First release.
-- @provides
--   [main] .
--   [main] Selva - Generate stems from regions and markers.lua
--   [main] Selva - New takes for selected stem items.lua
--   [main] Selva - Open job list.lua
--   [main] Selva - Settings and check.lua
--   [nomain] lib/*.lua

local _, script_path = reaper.get_action_context()
local folder = script_path:match("^(.*[/\\])")
local selva = dofile(folder .. "lib/selva.lua")(folder .. "lib/")
selva.import("actions").generate_for_items()
