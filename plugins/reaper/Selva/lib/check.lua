-- "Settings and check": requests a check from the bridge (versions, daemon, models, faults) and shows the results.

return function(selva)
  local bridge = selva.import("bridge")
  local window = selva.import("window")
  local form = selva.import("form")

  local check = {}

  local GIVE_UP_S = 60
  local LEVEL_COLOURS = { ok = "good", warning = "warning", fault = "bad" }

  local config, folder, problem
  local waited_s, last_s

  local function request_check()
    waited_s, last_s = 0, reaper.time_precise()
    folder, problem = bridge.write_request(config, { action = "check", label = "Check" })
    if folder then
      local started
      started, problem = bridge.start(config, folder)
      if not started then folder = nil end
    end
  end

  local function build_buttons()
    return {
      { label = "Defaults...", on_click = form.edit_defaults },
      { label = "Check again", on_click = request_check },
    }
  end

  local function own_row(text, colour)
    local title = "REAPER scripts " .. selva.VERSION
    return {
      key = "own",
      title = title,
      announcement = title .. ": " .. text,
      colour = colour,
      lines = { { text = "In " .. selva.lib_folder }, { text = text, colour = colour } },
      buttons = build_buttons(),
    }
  end

  local function build_rows(status)
    if not folder then
      return { own_row(problem, "bad") }
    end
    if status and status.state == "failed" then
      return { own_row(status.error.message, "bad") }
    end
    if waited_s > GIVE_UP_S and not (status and status.checks) then
      return { own_row("The bridge does not answer. Its log lies in " .. folder, "bad") }
    end
    if not (status and status.checks) then
      return { own_row("asking the bridge", "busy") }
    end
    local rows = { own_row("Set up.", "good") }
    for _, result in ipairs(status.checks) do
      local colour = LEVEL_COLOURS[result.level]
      rows[#rows + 1] = {
        key = result.title, title = result.title, announcement = result.title .. ": " .. result.text,
        colour = colour, buttons = {},
        lines = { { text = result.text, colour = result.level ~= "ok" and colour or nil } },
      }
    end
    return rows
  end

  local function tick()
    local now_s = reaper.time_precise()
    waited_s = waited_s + math.min(now_s - last_s, 1)
    last_s = now_s
    local status = folder and bridge.read_status(folder)
    if window.draw(build_rows(status), "Defaults are what a new request starts from.") then
      reaper.defer(tick)
    end
  end

  function check.run()
    window.open("Selva: Settings and check", true)
    reaper.atexit(window.close)
    config, problem = bridge.load_config()
    if config then request_check() end
    waited_s, last_s = 0, reaper.time_precise()
    reaper.defer(tick)
  end

  return check
end
