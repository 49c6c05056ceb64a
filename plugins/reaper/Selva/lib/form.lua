-- The form of a request: the dialogs of the three actions that make stems, and what is remembered between them.
--
-- Every value stays the text that was typed; the bridge parses it and answers with a sentence when it is wrong. In
-- request.json and in the project the values are called "wishes", which projects of earlier versions hold.

return function(selva)
  local json = selva.import("json")
  local input_dialog = selva.import("input_dialog")
  local project = selva.import("project")
  local imgui_dialog = selva.import("imgui_dialog")

  local form = {}

  -- Where a project keeps the values of its last form.
  local PROJECT_KEY = "wishes"

  -- GetUserInputs shows at most 16 fields, and five are for the settings.
  local NUM_SOUND_FIELDS = 10

  local FACTORY_DEFAULTS = { takes = "1", seed = "", handles_s = "0", model = "", avoid = "" }

  local SETTINGS = {
    { key = "takes", caption = "Takes of each sound (1 to 16)" },
    { key = "seed", caption = "Seed (empty: 42)" },
    { key = "handles_s", caption = "Handles before and after (seconds)" },
    { key = "model", caption = "Model (empty: the default)" },
    { key = "avoid", caption = "Not to be heard in any sound" },
  }

  local function with_defaults(values, defaults)
    local merged = {}
    for key, value in pairs(defaults) do
      merged[key] = type(values[key]) == "string" and values[key] or value
    end
    return merged
  end

  -- Defaults of this user, changed in "Settings and check".
  function form.read_defaults()
    local saved = json.decode(reaper.GetExtState("Selva", "defaults"))
    return with_defaults(type(saved) == "table" and saved or {}, FACTORY_DEFAULTS)
  end

  local function setting_fields(values)
    local fields = {}
    for index, setting in ipairs(SETTINGS) do
      fields[index] = { key = setting.key, caption = setting.caption, value = values[setting.key] }
    end
    return fields
  end

  function form.edit_defaults()
    local answers = input_dialog.ask("Selva: defaults for new requests", setting_fields(form.read_defaults()))
    if answers then
      reaper.SetExtState("Selva", "defaults", json.encode(answers), true)
    end
  end

  local function collect_sounds(answers, num_fields)
    local sounds = json.array()
    for index = 1, num_fields do
      local sound = answers["sound" .. index]
      if sound and sound ~= "" then
        sounds[#sounds + 1] = sound
      end
      answers["sound" .. index] = nil
    end
    answers.sounds = sounds
    return answers
  end

  local function sound_fields(sounds)
    local fields = {}
    for index = 1, NUM_SOUND_FIELDS do
      local caption = index == 1 and "Track: prompt   (Dog: small dog barking)" or "Track: prompt"
      fields[index] = { key = "sound" .. index, caption = caption, value = sounds[index] or "" }
    end
    return fields
  end

  local function join(first, second)
    local all = {}
    for _, field in ipairs(first) do all[#all + 1] = field end
    for _, field in ipairs(second) do all[#all + 1] = field end
    return all
  end

  local function read_remembered(proj)
    local saved = project.read(proj, PROJECT_KEY)
    local values = with_defaults(saved, form.read_defaults())
    values.sounds = type(saved.sounds) == "table" and saved.sounds or {}
    return values
  end

  -- Calls `on_answer` with {sounds, avoid, takes, seed, handles_s, model}, all as typed, unless the user cancels.
  function form.ask_sounds(proj, title, on_answer)
    local values = read_remembered(proj)
    local function submit(answers)
      -- ReaImGui's window stands beside REAPER's own, so that the project may be closed under it.
      if not project.is_open(proj) then
        reaper.MB("The project was closed meanwhile. Open it and run the action again.", "Selva", 0)
        return
      end
      answers.sounds = json.array(answers.sounds)
      project.write(proj, PROJECT_KEY, answers)
      on_answer(answers)
    end
    if imgui_dialog.is_available() then
      imgui_dialog.ask_sounds(title, values, SETTINGS, submit)
      return
    end
    local answers = input_dialog.ask(title, join(sound_fields(values.sounds), setting_fields(values)))
    if answers then
      submit(collect_sounds(answers, NUM_SOUND_FIELDS))
    end
  end

  -- For regions, whose names are the prompts. The remembered sounds stay as they are.
  function form.ask_settings(proj, title, on_answer)
    local values = read_remembered(proj)
    local answers = input_dialog.ask(title, setting_fields(values))
    if not answers then return end
    answers.sounds = json.array(values.sounds)
    project.write(proj, PROJECT_KEY, answers)
    answers.sounds = json.array()
    on_answer(answers)
  end

  -- For new takes: an empty prompt leaves each stem its own, an empty seed continues after the takes that are there.
  -- `prompt` is what the stems were made for, if they agree.
  function form.ask_takes(proj, title, prompt, on_answer)
    local values = read_remembered(proj)
    local answers = input_dialog.ask(title, {
      { key = "prompt", caption = "Prompt (empty: as it was)", value = prompt },
      { key = "takes", caption = "How many new takes (1 to 16)", value = "1" },
      { key = "seed", caption = "Seed of the first (empty: the next one)", value = "" },
      { key = "model", caption = "Model (empty: as it was)", value = "" },
    })
    if not answers then return end
    answers.sounds = json.array()
    answers.avoid = values.avoid
    answers.handles_s = ""
    on_answer(answers)
  end

  -- The same without a model: what is made anew fits to the sound of the model that the stem was made with.
  function form.ask_redo(proj, title, prompt, on_answer)
    local values = read_remembered(proj)
    local answers = input_dialog.ask(title, {
      { key = "prompt", caption = "Prompt (empty: as it was)", value = prompt },
      { key = "takes", caption = "How many new takes (1 to 16)", value = "1" },
      { key = "seed", caption = "Seed of the first (empty: the next one)", value = "" },
    })
    if not answers then return end
    answers.sounds = json.array()
    answers.avoid = values.avoid
    answers.handles_s = ""
    answers.model = ""
    on_answer(answers)
  end

  return form
end
