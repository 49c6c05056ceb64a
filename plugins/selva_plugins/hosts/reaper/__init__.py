"""The host REAPER.

Its Lua scripts (plugins/reaper) write requests, which `adapter` answers; REAPER cannot be called from outside. `install` and
`check` are behind `selva host`; `package` writes the index for ReaPack.
"""
