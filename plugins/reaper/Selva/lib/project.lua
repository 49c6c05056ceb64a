-- A project's identity, name and folders, and the values that Selva keeps in it.

return function(selva)
  local json = selva.import("json")
  local files = selva.import("files")
  local native = selva.import("native")

  local project = {}

  local SECTION = "Selva"

  function project.read_text(proj, key)
    local found, text = reaper.GetProjExtState(proj, SECTION, key)
    return found ~= 0 and text or nil
  end

  function project.write_text(proj, key, text)
    reaper.SetProjExtState(proj, SECTION, key, text)
  end

  -- The table kept under `key`, or an empty one.
  function project.read(proj, key)
    local text = project.read_text(proj, key)
    local value = text and json.decode(text)
    return type(value) == "table" and value or {}
  end

  function project.write(proj, key, value)
    project.write_text(proj, key, json.encode(value))
  end

  -- An id that finds the project again when another tab is in front or REAPER was closed meanwhile.
  function project.identity(proj)
    local id = project.read_text(proj, "project_id")
    if not id then
      id = native.new_guid()
      reaper.SetProjExtState(proj, SECTION, "project_id", id)
    end
    return id
  end

  -- The open projects, the one in front first: the same file may be open in two tabs.
  local function list_open()
    local found = {}
    for index = -1, math.huge do
      local proj, path = reaper.EnumProjects(index)
      if not proj then return found end
      found[#found + 1] = { proj = proj, path = path or "", id = project.read_text(proj, "project_id") }
    end
  end

  -- The open project that a request came from, or nil; then the second value is an open project with the same id and another
  -- path, if there is one: it was saved under a new name, or is another version of the film, and only the user knows which.
  --
  -- `wanted` is {id, path}. The path decides where there is one: all versions of a project have its id, and the id goes when
  -- the user undoes a step that was made before it was written. `last` is what an earlier call returned (or nil): it finds a
  -- project that was never saved and lost its id so.
  function project.find(wanted, last)
    local namesake, nameless
    for _, open in ipairs(list_open()) do
      local has_id = open.id == wanted.id
      if wanted.path ~= "" and open.path == wanted.path then return open.proj end
      if wanted.path == "" and has_id then return open.proj end
      if has_id then namesake = open.proj end
      if open.proj == last and open.id == nil and open.path == wanted.path then nameless = open.proj end
    end
    return nameless, not nameless and namesake or nil
  end

  -- Whether a project is still open: REAPER refuses every call with one that was closed, and the script ends there.
  function project.is_open(proj)
    return reaper.ValidatePtr2(0, proj, "ReaProject*")
  end

  function project.is_active(proj)
    return proj == reaper.EnumProjects(-1)
  end

  function project.is_recording(proj)
    return math.floor(reaper.GetPlayStateEx(proj)) & 4 ~= 0
  end

  -- The path of the project file, or nil when it was never saved.
  function project.file_path(proj)
    local index = -1
    while true do
      local other, path = reaper.EnumProjects(index)
      if not other then return nil end
      if other == proj then
        return path ~= nil and path ~= "" and path or nil
      end
      index = index + 1
    end
  end

  -- Where stems of this project go: inside the project's own media folder, so that they travel with it. For an
  -- unsaved project the user is asked to save it first, or to use REAPER's default media folder.
  -- nil: the user cancelled.
  function project.stems_folder(proj)
    if not project.file_path(proj) then
      local answer = reaper.MB(
        "Stems are kept in the project's media folder, and this project has not been saved yet.\n\n"
          .. "Yes: save the project now\nNo: keep the stems in REAPER's default folder\n     "
          .. native.project_media_folder(proj) .. "\nCancel: do nothing",
        "Selva", 3)
      if answer == 2 then return nil end
      if answer == 6 then
        reaper.Main_SaveProject(proj, false)
        if not project.file_path(proj) then return nil end
      end
    end
    return files.join(native.project_media_folder(proj), "Selva")
  end

  function project.display_name(proj)
    local name = native.project_name(proj)
    return name ~= "" and name or "unsaved project"
  end

  return project
end
