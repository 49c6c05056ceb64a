-- What this installation knows; `selva host install resolve` writes the values into the block.

-- selva:installed {
local INSTALLED = { action = "generate", version = "", exchange = "", command = "" }
-- selva:installed }

return INSTALLED
