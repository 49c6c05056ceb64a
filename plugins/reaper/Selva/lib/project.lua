-- A project's identity, name and folders, and the values that Selva keeps in it.

return function(selva)
  local json = selva.import("json")
  local files = selva.import("files")

  local project = {}

  local SECTION = "Selva"

  function project.read_text(proj, key)
    local found, text = reaper.GetProjExtState(proj, SECTION, key)
    return found ~= 0 and text or nil
  end

  -- The table kept under `key`, or an empty one.
  function project.read(proj, key)
    local text = project.read_text(proj, key)
    local value = text and json.decode(text)
    return type(value) == "table" and value or {}
  end

  function project.write(proj, key, value)
    reaper.SetProjExtState(proj, SECTION, key, json.encode(value))
  end

  -- An id that finds the project again when another tab is in front or REAPER was closed meanwhile.
  function project.identity(proj)
    local id = project.read_text(proj, "project_id")
    if not id then
      id = reaper.genGuid("")
      reaper.SetProjExtState(proj, SECTION, "project_id", id)
    end
    return id
  end

  -- The open project with that id, or nil. The one in front is preferred, because a copy made by "save as" has the same id.
  function project.find(id)
    local active = reaper.EnumProjects(-1)
    if project.read_text(active, "project_id") == id then return active end
    local index = 0
    while true do
      local proj = reaper.EnumProjects(index)
      if not proj then return nil end
      if project.read_text(proj, "project_id") == id then return proj end
      index = index + 1
    end
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
          .. reaper.GetProjectPathEx(proj) .. "\nCancel: do nothing",
        "Selva", 3)
      if answer == 2 then return nil end
      if answer == 6 then
        reaper.Main_SaveProject(proj, false)
        if not project.file_path(proj) then return nil end
      end
    end
    return files.join(reaper.GetProjectPathEx(proj), "Selva")
  end

  function project.display_name(proj)
    local name = reaper.GetProjectName(proj)
    return name ~= "" and name or "unsaved project"
  end

  return project
end
