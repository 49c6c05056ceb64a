-- The actions, one function each.

return function(selva)
  local bridge = selva.import("bridge")
  local check = selva.import("check")
  local conform = selva.import("conform")
  local events = selva.import("events")
  local form = selva.import("form")
  local json = selva.import("json")
  local project = selva.import("project")
  local relink = selva.import("relink")
  local snapshot = selva.import("snapshot")
  local watcher = selva.import("watcher")

  local actions = {}

  -- A second start of the same action ends the first and runs anew, without REAPER's question (from 7.03).
  local END_AND_RESTART = 1 | 2

  local function show_message(text)
    reaper.MB(text, "Selva", 0)
  end

  -- The installer's configuration, or nil after a message that says what is missing.
  local function load_config()
    if reaper.set_action_options then
      reaper.set_action_options(END_AND_RESTART)
    end
    local config, problem = bridge.load_config()
    if not config then show_message(problem) end
    return config
  end

  local function count_items(number)
    return number == 1 and "1 item" or number .. " items"
  end

  -- Writes the request, starts the bridge and watches it. `wanted` is {action, label, form_values, snapshot} or, with
  -- what an earlier request had already, snapshot_text and stems_folder;
  -- `show_form_again` is called when the bridge refuses what was typed.
  local function submit(config, proj, wanted, show_form_again)
    local stems_folder = wanted.stems_folder or project.stems_folder(proj)
    if not stems_folder then return end
    local request = {
      action = wanted.action,
      label = wanted.label,
      wishes = wanted.form_values,
      stems_folder = stems_folder,
      project = {
        id = project.identity(proj), name = project.display_name(proj), path = project.file_path(proj) or "",
      },
    }
    local folder, problem = bridge.write_request(config, request, wanted.snapshot_text or json.encode(wanted.snapshot))
    local started
    if folder then
      started, problem = bridge.start(config, folder)
    end
    if not started then
      show_message(problem)
      return
    end
    watcher.run(config, {
      new_folder = folder,
      on_refused = function(message)
        show_message(message)
        if project.is_open(proj) then show_form_again() end
      end,
    })
  end

  function actions.generate_for_items()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    if snapshot.count_selected(proj) == 0 then
      show_message("Select the video items that need sound, then run this action again.")
      return
    end
    local function show_form()
      local title = "Selva: stems for " .. count_items((snapshot.count_selected(proj)))
      form.ask_sounds(proj, title, function(answers)
        local label = table.concat(answers.sounds, "; ")
        submit(config, proj, {
          action = "items", label = label, form_values = answers, snapshot = snapshot.of_selected_items(proj),
        }, show_form)
      end)
    end
    show_form()
  end

  function actions.generate_for_regions()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local function show_form()
      form.ask_settings(proj, "Selva: stems for regions and markers", function(answers)
        submit(config, proj, {
          action = "regions", label = "Regions and markers", form_values = answers, snapshot = snapshot.of_regions(proj),
        }, show_form)
      end)
    end
    show_form()
  end

  function actions.new_takes()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local _, num_stems = snapshot.count_selected(proj)
    if num_stems == 0 then
      show_message("Select stem items that Selva made, then run this action again.")
      return
    end
    local function show_form()
      local title = "Selva: new takes for " .. count_items(num_stems)
      form.ask_takes(proj, title, snapshot.common_prompt(proj), function(answers)
        submit(config, proj, {
          action = "takes", label = "New takes for " .. count_items(num_stems), form_values = answers,
          snapshot = snapshot.of_selected_items(proj),
        }, show_form)
      end)
    end
    show_form()
  end

  function actions.redo_time_selection()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local _, num_stems = snapshot.count_selected(proj)
    local selection = snapshot.time_selection(proj)
    if num_stems == 0 or not selection then
      show_message("Select stem items that Selva made and the time to make anew, then run this action again.")
      return
    end
    local function show_form()
      local title = ("Selva: %.2f s anew in %s"):format(selection.end_s - selection.start_s, count_items(num_stems))
      form.ask_redo(proj, title, snapshot.common_prompt(proj), function(answers)
        submit(config, proj, {
          action = "redo", label = "A stretch of " .. count_items(num_stems) .. " anew", form_values = answers,
          snapshot = snapshot.of_time_selection(proj),
        }, show_form)
      end)
    end
    show_form()
  end

  function actions.extend()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local described = snapshot.of_extension(proj)
    local num_stems = #described.anchored_stems
    if num_stems == 0 then
      show_message("Select stem items that Selva made, and the time that they are to reach over; without a time selection "
        .. "they are extended to their picture. Then run this action again.")
      return
    end
    submit(config, proj, {
      action = "extend", label = "Extend " .. count_items(num_stems), form_values = {}, snapshot = described,
    }, function() end)
  end

  function actions.move_to_picture()
    show_message(relink.run(reaper.EnumProjects(-1)) or "There are no stems of Selva in this project.")
  end

  -- First the bridge compares and answers with a plan; what no stem reaches is then requested like any other render.
  function actions.conform()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    if not snapshot.has_stems(proj) then
      show_message("There is no render of Selva in this project to conform. Select video items and run \"Selva: Generate "
        .. "stems for selected items\" first; once the cut has changed, run this action.")
      return
    end
    local stems_folder = project.stems_folder(proj)
    if not stems_folder then return end
    local text = conform.snapshot_text(proj)
    local request = { action = "conform", label = "Conform", stems_folder = stems_folder }
    local folder, problem = bridge.write_request(config, request, text)
    local started
    if folder then
      started, problem = bridge.start(config, folder)
    end
    if not started then
      show_message(problem)
      return
    end
    conform.watch(proj, folder, text, {
      show = show_message,
      render = function(parts)
        submit(config, proj, {
          action = "conform_render", label = "What the new cut lacks", form_values = { parts = parts }, snapshot_text = text,
          stems_folder = stems_folder,
        }, function() end)
      end,
    })
  end

  -- The page says what it was opened for; the answers to everything else are typed there.
  function actions.open_panel()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local shown, scope = snapshot.for_panel(proj)
    if #shown.items == 0 then
      show_message("There are no video items in this project, or none in the time selection.")
      return
    end
    submit(config, proj, {
      action = "panel", label = "Panel", form_values = { scope = scope }, snapshot = shown,
    }, function() end)
  end

  function actions.mark_sounds()
    local config = load_config()
    if not config then return end
    local proj = reaper.EnumProjects(-1)
    local _, num_stems = snapshot.count_selected(proj)
    if num_stems == 0 then
      show_message("Select stem items that Selva made, then run this action again.")
      return
    end
    local request = { action = "events", label = "Sounds of " .. count_items(num_stems) }
    local folder, problem = bridge.write_request(config, request, json.encode(snapshot.of_selected_items(proj)))
    local started
    if folder then
      started, problem = bridge.start(config, folder)
    end
    if not started then
      show_message(problem)
      return
    end
    events.watch(proj, folder, show_message)
  end

  function actions.open_job_list()
    local config = load_config()
    if config then
      watcher.run(config, { show_history = true })
    end
  end

  function actions.settings_and_check()
    if reaper.set_action_options then
      reaper.set_action_options(END_AND_RESTART)
    end
    check.run()
  end

  return actions
end
