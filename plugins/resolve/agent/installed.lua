-- What this installation knows; `selva host install resolve` writes the values into the block.

-- selva:installed {
local INSTALLED = { action = "generate", version = "", exchange = "", command = "", 
    terminal_commands = { install = "selva host install resolve", watch = "selva host resolve --watch" } }
-- selva:installed }

return INSTALLED
