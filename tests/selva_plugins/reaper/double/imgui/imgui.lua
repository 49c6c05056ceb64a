-- Stands for the shim that ReaImGui brings: called with a version, it returns the interface as it was then.

local OLDEST, NEWEST = "0.8", "0.10"

local function newer(one, other)
  local function number(text)
    local major, minor = text:match("^(%d+)%.(%d+)")
    return tonumber(major) * 1000 + tonumber(minor)
  end
  return number(one) > number(other)
end

return function(version)
  assert(not newer(version, NEWEST) and not newer(OLDEST, version), "ReaImGui: this version is not supported")
  local interface = { Cond_FirstUseEver = 4 }
  local function add(name)
    interface[name] = assert(reaper["ImGui_" .. name], "ReaImGui has no " .. name)
  end
  for _, name in ipairs({
    "Begin", "Button", "CreateContext", "End", "InputText", "InputTextMultiline", "SameLine", "Separator",
    "SetNextItemWidth", "SetNextWindowSize", "Text",
  }) do
    add(name)
  end
  return setmetatable(interface, {
    __index = function(_, name) error("ReaImGui has no " .. tostring(name), 2) end,
  })
end
