-- Runs first in each Lua state of the double: builds `reaper` and `gfx` and puts the host's rules on `io` and `os`. `host`
-- holds Python functions; each answers ok, then values, or false and a message that is raised where the script called.

local host = ...

-- lupa keeps wrapped objects in a table of its own and mixes them up after Lua has collected one while it makes another, so
-- every handle stays until the script ends.
local handles = {}

local function keep(...)
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    if type(value) == "userdata" then handles[value] = true end
  end
  return ...
end

local function answer(ok, ...)
  if ok then return keep(...) end
  error((...), 3)
end

local function bind(call)
  return function(...)
    return answer(call(select("#", ...), ...))
  end
end

reaper = {}
for name, call in pairs(host.functions) do
  reaper[name] = bind(call)
end

local queued = {}
local defer = reaper.defer
function reaper.defer(call)
  if queued[call] then
    host.record_violation("defer: this function is queued twice within one cycle, its loop would run double")
  end
  queued[call] = true
  return defer(call)
end

-- gfx: variables are plain fields, like in REAPER; a field that REAPER does not have is an error.
local gfx_fields = {
  x = 0.0, y = 0.0, w = 0.0, h = 0.0, r = 1.0, g = 1.0, b = 1.0, a = 1.0, mode = 0.0, dest = -1.0, texth = 0.0,
  mouse_x = 0.0, mouse_y = 0.0, mouse_cap = 0.0, mouse_wheel = 0.0, mouse_hwheel = 0.0, ext_retina = 0.0, clear = 0.0,
}
for name, call in pairs(host.gfx_functions) do
  gfx_fields[name] = bind(call)
end
gfx = setmetatable({}, {
  __index = function(_, name)
    local value = gfx_fields[name]
    if value == nil then
      host.record_violation("gfx." .. tostring(name) .. " does not exist")
      error("gfx." .. tostring(name) .. " does not exist", 2)
    end
    return value
  end,
  __newindex = function(_, name, value)
    if gfx_fields[name] == nil or type(gfx_fields[name]) == "function" then
      host.record_violation("gfx." .. tostring(name) .. " cannot be set")
      error("gfx." .. tostring(name) .. " cannot be set", 2)
    end
    gfx_fields[name] = value + 0.0
  end,
})
host.give_gfx(function(name) return gfx_fields[name] end, function(name, value) gfx_fields[name] = value end)

-- Files by the rules of the simulated system.
local real_open, real_rename, real_remove, real_loadfile = io.open, os.rename, os.remove, loadfile

function io.open(path, mode)
  local real, problem = host.real_path(path)
  if not real then return nil, problem, 2 end
  return real_open(real, mode)
end

function os.remove(path)
  local real, problem = host.real_path(path)
  if not real then return nil, problem, 2 end
  return real_remove(real)
end

function os.rename(from, to)
  local real_from, problem = host.real_path(from)
  local real_to
  if real_from then
    real_to, problem = host.real_path(to)
  end
  if real_to and host.refuses_rename(real_to) then
    real_to, problem = nil, to .. ": File exists"
  end
  if not real_to then return nil, problem, 17 end
  return real_rename(real_from, real_to)
end

function loadfile(path, ...)
  local real, problem = host.real_path(path)
  if not real then return nil, problem end
  return real_loadfile(real, ...)
end

function dofile(path)
  local chunk, problem = loadfile(path)
  if not chunk then error(problem, 2) end
  return chunk()
end

local function forbid(name)
  return function()
    host.record_violation(name .. " flashes a console window and blocks REAPER")
    error(name .. " is not allowed", 2)
  end
end
os.execute, io.popen, os.exit = forbid("os.execute"), forbid("io.popen"), forbid("os.exit")

package.path = ""
package.cpath = ""
package.config = host.path_separator .. package.config:sub(2)

-- Calls a deferred or first function, and stops one that keeps REAPER from drawing.
local BUSY_INSTRUCTIONS = 20000000
return function(call)
  queued[call] = nil
  debug.sethook(function() error("the script ran for too long within one defer cycle", 2) end, "", BUSY_INSTRUCTIONS)
  local result = table.pack(xpcall(call, debug.traceback))
  debug.sethook()
  return table.unpack(result, 1, result.n)
end
