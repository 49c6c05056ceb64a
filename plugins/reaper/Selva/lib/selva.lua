-- Loads the other files of this folder, each once, and passes them to one another.
--
-- Every file here returns a function that takes the table below and returns its module. `require` is avoided because a
-- folder name with `;` or `?` in it would break package.path.

-- The version in the header of the package file; a test compares them.
local VERSION = "0.1.0"

-- The version of requests, snapshots and plans. The bridge refuses another number and says which side is older.
local PROTOCOL = 1

return function(lib_folder)
  local selva = { VERSION = VERSION, PROTOCOL = PROTOCOL, lib_folder = lib_folder }
  local modules = {}

  function selva.import(name)
    if modules[name] == nil then
      modules[name] = dofile(lib_folder .. name .. ".lua")(selva)
    end
    return modules[name]
  end

  return selva
end
