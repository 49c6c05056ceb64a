-- Requests to the bridge, a program outside REAPER: a folder each. The scripts write snapshot.json, request.json, cancel and
-- report-N.json; the bridge writes plan.json and status.json. docs/hosts/reaper.md describes each file.

return function(selva)
  local json = selva.import("json")
  local files = selva.import("files")
  local native = selva.import("native")

  local bridge = {}

  -- The newest finished requests that the job list shows.
  local MAX_LISTED = 40

  -- The file that the installer wrote for this REAPER.
  function bridge.config_path()
    return files.join(files.join(files.plain_folder(reaper.GetResourcePath()), "Selva"), "bridge.json")
  end

  local function read_json(path)
    local text = files.read(path)
    if not text then return nil, "there is no file " .. path end
    return json.decode(text)
  end

  -- What to type into a terminal: the installer wrote it down, because `selva` alone is on the PATH of few machines.
  -- `name` is "install" or "check".
  function bridge.terminal_command(name)
    local config = read_json(bridge.config_path())
    local commands = config and config.terminal_commands
    return commands and commands[name] or ("selva host " .. name .. " reaper")
  end

  -- What `selva host install reaper` wrote: the command that starts the bridge and the folder for requests.
  -- Returns nil and a sentence for the user when there is no such file or it is of another protocol.
  function bridge.load_config()
    local config, problem = read_json(bridge.config_path())
    if not config then
      return nil, "Selva is not set up for this REAPER. Open a terminal and run:\n\nselva host install reaper\n\nIf "
        .. "selva is not found there, give its path: it is in the folder bin (Windows: Scripts) of the Python environment "
        .. "that Selva Bridge was installed into.\n\n(" .. problem .. ")"
    end
    if config.protocol ~= selva.PROTOCOL then
      return nil, string.format(
        "The REAPER scripts are version %s (protocol %d), the installed bridge is version %s (protocol %s).\n\n"
          .. "Run this in a terminal, then try again:\n\n%s\n\nScripts in use: %s",
        selva.VERSION, selva.PROTOCOL, tostring(config.version), tostring(config.protocol),
        bridge.terminal_command("install"), selva.lib_folder)
    end
    return config
  end

  -- Requests -----------------------------------------------------------------------------------------------------------

  -- An id of this run of REAPER, so that results of an earlier run are offered instead of placed unasked.
  function bridge.session()
    local session = reaper.GetExtState("Selva", "session")
    if session == "" then
      session = native.new_guid()
      reaper.SetExtState("Selva", "session", session, false)
    end
    return session
  end

  -- Checks and the like are named differently from requests that make stems, so that only the latter are listed and watched.
  local function new_id(action)
    local random = native.new_guid():gsub("[^%w]", ""):sub(1, 8):lower()
    local makes_no_stems = action == "check" or action == "events" or action == "conform"
    return (makes_no_stems and action .. "-" or "") .. os.date("!%Y%m%dT%H%M%SZ") .. "-" .. random
  end

  -- Writes a request: snapshot.json (its text, or nil) first and request.json last, so that a folder with a request.json is
  -- complete. `request` has at least `action` and `label`. Returns the request's folder, or nil and what went wrong.
  function bridge.write_request(config, request, snapshot_text)
    request.schema = "selva.request/1"
    request.protocol = selva.PROTOCOL
    request.host = "reaper"
    request.id = new_id(request.action)
    request.session = bridge.session()
    request.script_version = selva.VERSION
    request.script_folder = selva.lib_folder
    local folder = files.join(config.request_folder, request.id)
    reaper.RecursiveCreateDirectory(folder, 0)
    local written, problem = true, nil
    if snapshot_text then
      written, problem = files.write_new(files.join(folder, "snapshot.json"), snapshot_text)
    end
    if written then
      written, problem = files.write_new(files.join(folder, "request.json"), json.encode(request))
    end
    if not written then
      return nil, "Selva cannot write its request: " .. tostring(problem)
        .. "\n\nIf this REAPER was moved, run this in a terminal (portable: with --resource-path):\n\n"
        .. bridge.terminal_command("install")
    end
    return folder
  end

  -- The same request once more, with its first snapshot; stems that were made already come from the daemon's cache.
  function bridge.repeat_request(config, folder)
    local request = bridge.read_request(folder)
    return bridge.write_request(config, request, files.read(files.join(folder, "snapshot.json")))
  end

  -- Starts the bridge for a request folder without waiting for it. Returns true, or nil and a sentence for the user. The
  -- command line holds only paths that the installer has checked: ExecProcess takes one line, in which a prompt or a media
  -- path with a quote could not be escaped. Those are in request.json.
  function bridge.start(config, folder)
    local quoted = {}
    for _, argument in ipairs(config.command) do
      quoted[#quoted + 1] = '"' .. argument .. '"'
    end
    quoted[#quoted + 1] = '"' .. folder .. '"'
    -- -2: do not wait, start minimised (no console window on Windows)
    if reaper.ExecProcess(table.concat(quoted, " "), -2) == nil then
      return nil, "Selva's bridge could not be started:\n\n" .. table.concat(quoted, " ")
        .. "\n\nTo repair it, run this in a terminal:\n\n" .. bridge.terminal_command("install")
    end
    return true
  end

  function bridge.cancel(folder)
    files.write_new(files.join(folder, "cancel"), "")
  end

  function bridge.is_cancelled(folder)
    return files.read(files.join(folder, "cancel")) ~= nil
  end

  function bridge.read_request(folder)
    return (read_json(files.join(folder, "request.json")))
  end

  -- The bridge's last status, or nil when it has not written one yet, or (Windows) is replacing it at this moment.
  function bridge.read_status(folder)
    return (read_json(files.join(folder, "status.json")))
  end

  function bridge.read_plan(folder)
    return read_json(files.join(folder, "plan.json"))
  end

  -- Reports ------------------------------------------------------------------------------------------------------------

  local function report_path(folder, number)
    return files.join(folder, "report-" .. number .. ".json")
  end

  -- The newest report about what was placed, or nil, and the number the next report gets.
  function bridge.read_report(folder)
    local report
    local number = 1
    while true do
      local newer = read_json(report_path(folder, number))
      if not newer then return report, number end
      report = newer
      number = number + 1
    end
  end

  function bridge.write_report(folder, report)
    local _, number = bridge.read_report(folder)
    report.schema = "selva.report/1"
    return files.write_new(report_path(folder, number), json.encode(report))
  end

  -- The ids of the newest requests that make stems, newest first.
  function bridge.list_ids(config)
    local ids = {}
    reaper.EnumerateSubdirectories(config.request_folder, -1) -- REAPER caches listings; -1 drops them
    local index = 0
    while true do
      local name = reaper.EnumerateSubdirectories(config.request_folder, index)
      if not name then break end
      if name:find("^%d+T%d+Z%-%w+$") then
        ids[#ids + 1] = name
      end
      index = index + 1
    end
    table.sort(ids, function(one, other) return one > other end)
    for index_too_many = #ids, MAX_LISTED + 1, -1 do
      ids[index_too_many] = nil
    end
    return ids
  end

  return bridge
end
