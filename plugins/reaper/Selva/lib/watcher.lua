-- Watches requests in the background until their stems are placed: reads the bridge's status a few times per second, shows
-- it, and places a finished plan when its project is in front. All state is in the request folders, so that any script that
-- runs this can take over from another, also after REAPER was closed.

return function(selva)
  local json = selva.import("json")
  local bridge = selva.import("bridge")
  local project = selva.import("project")
  local placement = selva.import("placement")
  local peaks = selva.import("peaks")
  local window = selva.import("window")
  local files = selva.import("files")
  local native = selva.import("native")

  local watcher = {}

  local POLL_S = 0.25
  local RESCAN_S = 3
  local SILENCE_S = 30 -- the bridge counts its heartbeat once per second; without one for so long it has died
  local MAX_STARTS = 4
  local MAX_STARTS_WITHOUT_STATUS = 2 -- of a bridge that has never written a status
  local LINGER_S = 4
  local MAX_NOTICES = 4
  local FORM_ERROR = "wishes" -- the bridge's code for a form that it refuses

  local config
  local entries = {} -- id -> entry
  local options = {}
  local lease
  local is_running = false
  local last_poll_s, last_scan_s, idle_since_s

  -- One request -------------------------------------------------------------------------------------------------------

  local function is_finished(entry)
    if entry.report then return true end
    local state = entry.status and entry.status.state
    return entry.is_stalled or state == "failed" or state == "cancelled"
  end

  local function load_entry(id)
    local folder = files.join(config.request_folder, id)
    local request = bridge.read_request(folder)
    if not request or type(request.project) ~= "table" or type(request.label) ~= "string" then return end
    local entry = { id = id, folder = folder, request = request, silent_s = 0, num_starts = 1 }
    entry.report = bridge.read_report(folder)
    entry.status = bridge.read_status(folder)
    entry.is_history = is_finished(entry)
    entry.is_from_earlier = request.session ~= bridge.session()
    entries[id] = entry
    return entry
  end

  -- Starts a bridge again that has stopped counting; what the last one had made comes from the daemon's cache. Time in which
  -- REAPER itself ran no scripts (a dialog, a render, sleep) does not count.
  local function restart_if_silent(entry, passed_s)
    local heartbeat = entry.status and entry.status.heartbeat or -1
    if heartbeat ~= entry.heartbeat then
      entry.heartbeat = heartbeat
      entry.silent_s = 0
      return
    end
    entry.silent_s = entry.silent_s + math.min(passed_s, 1)
    if entry.silent_s < SILENCE_S then return end
    entry.silent_s = 0
    local max_starts = entry.status and MAX_STARTS or MAX_STARTS_WITHOUT_STATUS
    if entry.num_starts == max_starts or not bridge.start(config, entry.folder) then
      entry.is_stalled = true
    end
    entry.num_starts = entry.num_starts + 1
  end

  local function set_stalled(entry, problem)
    entry.problem = problem
    entry.is_stalled = true
  end

  -- Calls a function for one request. Files of an unknown shape in its folder stop that request and not the others.
  local function call_for_entry(entry, work, ...)
    local ok, result = pcall(work, entry, ...)
    if ok then return result end
    entry.status, entry.report = nil, nil
    set_stalled(entry, "this request cannot be read: " .. tostring(result))
    return nil
  end

  local function place(entry, proj, place_options)
    local plan, problem = bridge.read_plan(entry.folder)
    if not plan then
      set_stalled(entry, "the placement plan cannot be read: " .. problem)
      return
    end
    local before = entry.report
    local ok, report, sources = pcall(placement.apply, proj, plan, place_options)
    if not ok then -- a plan of a shape that this script does not know; every later run would fail on it again
      set_stalled(entry, "the stems cannot be placed: " .. tostring(report))
      return
    end
    if before then -- "Place anyway" for the held stems: the report also lists those that were placed before
      for _, placed in ipairs(report.placed) do before.placed[#before.placed + 1] = placed end
      report.placed = before.placed
    end
    entry.report = report
    entry.waiting = nil
    bridge.write_report(entry.folder, report)
    peaks.add(sources)
  end

  -- The open project that the stems of a request go to, or nil. It is looked for from the start, while it has its id.
  local function find_project(entry)
    local wanted = entry.request.project
    local proj, namesake = project.find({ id = wanted.id, path = wanted.path or "" }, entry.project)
    entry.project = proj or entry.project
    entry.namesake = namesake
    return proj or (entry.is_namesake_accepted and namesake) or nil
  end

  -- Places a finished request when that is possible now; else `entry.waiting` says what it waits for.
  local function try_to_place(entry)
    local proj = find_project(entry)
    if not proj and entry.namesake then
      entry.waiting = "ready; made for " .. entry.request.project.path .. ". What is open is "
        .. tostring(project.file_path(entry.namesake) or "an unsaved copy")
    elseif not proj then
      entry.waiting = "ready; waits for its project to be opened: " .. entry.request.project.name
    elseif not project.is_active(proj) then
      entry.waiting = "ready; waits until you switch to the project tab " .. entry.request.project.name
    elseif project.is_recording(proj) then
      entry.waiting = "waits until recording stops"
    elseif entry.is_from_earlier and not entry.is_accepted then
      entry.waiting = "ready; it was requested before REAPER was last started"
    else
      place(entry, proj)
    end
  end

  local function poll(entry, passed_s)
    if is_finished(entry) then return end
    entry.status = bridge.read_status(entry.folder) or entry.status
    local state = entry.status and entry.status.state
    if state == "ready" then
      try_to_place(entry)
    elseif state == "failed" then
      if entry.on_refused and entry.status.error.code == FORM_ERROR then
        local on_refused = entry.on_refused
        entry.on_refused = nil
        on_refused(entry.status.error.message)
      end
    elseif state ~= "cancelled" then
      find_project(entry)
      restart_if_silent(entry, passed_s)
    end
  end

  -- Buttons -----------------------------------------------------------------------------------------------------------

  local function place_held(entry)
    local proj = find_project(entry)
    if not proj or not project.is_active(proj) then return end
    local held = {}
    for _, held_cue in ipairs(entry.report.held) do
      held[held_cue.cue] = true
    end
    place(entry, proj, { only_cues = held, ignore_anchors = true })
  end

  local function try_again(entry)
    local folder = bridge.repeat_request(config, entry.folder)
    if folder and bridge.start(config, folder) then
      bridge.write_report(entry.folder, { placed = json.array(), already = json.array(), held = json.array(),
        failed = "tried again" })
      entry.report = bridge.read_report(entry.folder)
      entry.is_history = true
      load_entry(files.base_name(folder))
    end
  end

  local function list_buttons(entry)
    local buttons = {}
    local function add(label, on_click)
      buttons[#buttons + 1] = { label = label, on_click = function() on_click(entry) end }
    end
    local state = entry.status and entry.status.state
    if entry.report and #entry.report.held > 0 then
      add("Place anyway", place_held)
    elseif entry.report and entry.report.failed ~= json.null and not entry.is_history then
      add("Try again", try_again)
    elseif not entry.report and (state == "failed" or entry.is_stalled) then
      add("Try again", try_again)
    elseif state == "ready" and entry.waiting and entry.namesake and not entry.is_namesake_accepted then
      add("Place here", function() entry.is_namesake_accepted = true end)
    elseif state == "ready" and entry.is_from_earlier and not entry.is_accepted then
      add("Place", function() entry.is_accepted = true end)
    elseif not is_finished(entry) and state ~= "ready" then
      add("Cancel", function() bridge.cancel(entry.folder) end)
    end
    return buttons
  end

  -- Rows --------------------------------------------------------------------------------------------------------------

  local function describe_seconds(seconds)
    if seconds == nil or seconds == json.null then return "" end
    if seconds < 90 then return string.format("about %d s left", math.max(1, math.ceil(seconds))) end
    return string.format("about %d min left", math.ceil(seconds / 60))
  end

  local function describe_silence(entry)
    if not entry.status then
      return "the bridge does not start; run this in a terminal, it says why:   selva host check reaper"
    end
    return "the bridge stopped answering; its log lies in " .. entry.folder
  end

  local function describe_state(entry)
    local status = entry.status
    if entry.report then
      local is_good = entry.report.failed == json.null and #entry.report.held == 0
      return placement.summarise(entry.report), is_good and "good" or "warning"
    elseif entry.is_stalled then
      return entry.problem or describe_silence(entry), "bad"
    elseif entry.waiting then
      return entry.waiting, "warning"
    elseif not status then
      return "starting", "busy"
    elseif status.state == "failed" then
      return status.error.message, "bad"
    elseif status.state == "cancelled" then
      return "cancelled", "row"
    end
    return status.message, "busy"
  end

  -- What a screen reader speaks: quarters of the progress, not every step, and the result.
  local function describe_aloud(entry, text)
    local status = entry.status
    if is_finished(entry) or entry.waiting or not status or status.state ~= "working" then
      return entry.request.label .. ": " .. text
    end
    return string.format("%s: %d percent", entry.request.label, math.floor(status.fraction * 4) * 25)
  end

  local function build_row(entry)
    local text, colour = describe_state(entry)
    local row = {
      key = entry.id, announcement = not entry.is_history and describe_aloud(entry, text) or nil,
      title = entry.request.label, right = "", colour = colour, buttons = list_buttons(entry),
      lines = { { text = text, colour = (colour == "busy" or colour == "row") and "faint" or colour } },
    }
    local status = entry.status
    if status and not is_finished(entry) and status.state == "working" then
      row.fraction = status.fraction
      row.right = string.format("%d %%  %s", math.floor(status.fraction * 100), describe_seconds(status.seconds_left))
    end
    for index, notice in ipairs(status and status.notices or {}) do
      if index > MAX_NOTICES then break end
      row.lines[#row.lines + 1] = { text = notice, colour = "warning" }
    end
    return row
  end

  local function list_entries()
    local sorted = {}
    for _, entry in pairs(entries) do
      if options.show_history or not entry.is_history then
        sorted[#sorted + 1] = entry
      end
    end
    table.sort(sorted, function(one, other) return one.id > other.id end)
    return sorted
  end

  local function build_rows()
    local rows = {}
    for index, entry in ipairs(list_entries()) do
      rows[index] = call_for_entry(entry, build_row) or build_row(entry)
    end
    if #rows == 0 then
      local text = "Select video items and run the action Selva: Generate stems for selected items."
      rows[1] = { key = "none", title = "No requests", announcement = text, buttons = {}, lines = { { text = text } } }
    end
    return rows
  end

  -- The loop ----------------------------------------------------------------------------------------------------------

  local function scan()
    for _, id in ipairs(bridge.list_ids(config)) do
      if not entries[id] then
        local entry = load_entry(id)
        if entry and not is_finished(entry) and entry.is_from_earlier
          and not (entry.status and entry.status.state == "ready") then
          bridge.start(config, entry.folder) -- where the first one still runs, it holds the lock and this one exits
        end
      end
    end
  end

  local function has_work()
    for _, entry in pairs(entries) do
      if not is_finished(entry) and not (entry.waiting and entry.is_from_earlier) then return true end
    end
    return peaks.is_busy()
  end

  -- Whether an entry holds something that the user should read before the window closes.
  local function needs_reading(entry)
    if entry.waiting or not is_finished(entry) then return true end
    if entry.is_history then return false end
    if not entry.report then return not (entry.status and entry.status.state == "cancelled") end
    local notices = entry.status and entry.status.notices or {}
    return #entry.report.held > 0 or entry.report.failed ~= json.null or #notices > 0
  end

  local function must_stay_open()
    for _, entry in ipairs(list_entries()) do
      if needs_reading(entry) then return true end
    end
    return options.show_history
  end

  local function stop()
    is_running = false
    window.close()
  end

  local function step(now_s)
    local passed_s = now_s - last_poll_s
    if passed_s >= POLL_S then
      last_poll_s = now_s
      if now_s - last_scan_s >= RESCAN_S then
        last_scan_s = now_s
        scan()
      end
      for _, entry in ipairs(list_entries()) do
        call_for_entry(entry, poll, passed_s)
      end
    end
    peaks.step()
    if window.is_open() then
      window.draw(build_rows(), "Closing this window does not stop the work.   Selva " .. selva.VERSION)
    end
  end

  local function tick()
    if not is_running then return end
    if reaper.GetExtState("Selva", "watcher") ~= lease then
      stop() -- another Selva script has taken over
      return
    end
    local now_s = reaper.time_precise()
    step(now_s)
    if has_work() then
      idle_since_s = now_s
    elseif not window.is_open() or (not must_stay_open() and now_s - idle_since_s > LINGER_S) then
      stop()
      return
    end
    reaper.defer(tick)
  end

  -- Whether an open project has a request of an earlier run of REAPER that is not placed yet.
  function watcher.has_offers(loaded_config)
    config = loaded_config
    local found = false
    for _, id in ipairs(bridge.list_ids(config)) do
      local entry = load_entry(id)
      local is_waiting = entry and entry.is_from_earlier and not is_finished(entry)
      found = found or (is_waiting and (find_project(entry) or entry.namesake) ~= nil)
    end
    entries = {}
    return found
  end

  -- Starts watching requests, or adds one. `run_options`: show_history lists finished ones too; new_folder is a request that
  -- was just written, and on_refused(message) is called when the bridge refuses what the user typed into its form.
  function watcher.run(loaded_config, run_options)
    config = loaded_config
    options.show_history = run_options.show_history
    if not is_running then
      lease = native.new_guid()
      reaper.SetExtState("Selva", "watcher", lease, false)
    end
    if not window.is_open() then window.open("Selva", run_options.show_history) end
    scan()
    if run_options.new_folder then
      local entry = entries[files.base_name(run_options.new_folder)]
      entry.on_refused = run_options.on_refused
    end
    if is_running then return end
    is_running = true
    last_poll_s, last_scan_s = reaper.time_precise(), reaper.time_precise()
    idle_since_s = last_poll_s
    reaper.atexit(stop)
    reaper.defer(tick)
  end

  return watcher
end
