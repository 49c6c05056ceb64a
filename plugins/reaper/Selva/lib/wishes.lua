-- What the user wants to hear: the dialogs of the three actions that make stems, and what is remembered between them.
--
-- Every value stays the text that was typed; the bridge reads and checks it and answers with a sentence when it is wrong.

return function(selva)
  local json = selva.import("json")
  local form = selva.import("form")
  local project = selva.import("project")
  local imgui_form = selva.import("imgui_form")

  local wishes = {}

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
  function wishes.read_defaults()
    local saved = json.decode(reaper.GetExtState("Selva", "defaults"))
    return with_defaults(type(saved) == "table" and saved or {}, FACTORY_DEFAULTS)
  end

  function wishes.edit_defaults()
    local fields = {}
    local defaults = wishes.read_defaults()
    for index, setting in ipairs(SETTINGS) do
      fields[index] = { key = setting.key, caption = setting.caption, value = defaults[setting.key] }
    end
    local answers = form.ask("Selva: defaults for new requests", fields)
    if answers then
      reaper.SetExtState("Selva", "defaults", json.encode(answers), true)
    end
  end

  local function setting_fields(values)
    local fields = {}
    for index, setting in ipairs(SETTINGS) do
      fields[index] = { key = setting.key, caption = setting.caption, value = values[setting.key] }
    end
    return fields
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

  local function remembered(proj)
    local saved = project.read(proj, "wishes")
    local values = with_defaults(saved, wishes.read_defaults())
    values.sounds = type(saved.sounds) == "table" and saved.sounds or {}
    return values
  end

  -- Calls `on_answer` with {sounds, avoid, takes, seed, handles_s, model}, all as typed, unless the user cancels.
  function wishes.ask_sounds(proj, title, on_answer)
    local values = remembered(proj)
    local function keep(answers)
      answers.sounds = json.array(answers.sounds)
      project.remember(proj, "wishes", answers)
      on_answer(answers)
    end
    if imgui_form.is_available() then
      imgui_form.ask_sounds(title, values, SETTINGS, keep)
      return
    end
    local answers = form.ask(title, join(sound_fields(values.sounds), setting_fields(values)))
    if answers then
      keep(collect_sounds(answers, NUM_SOUND_FIELDS))
    end
  end

  -- For regions, whose names are the prompts. Keeps the remembered sounds as they are.
  function wishes.ask_settings(proj, title, on_answer)
    local values = remembered(proj)
    local answers = form.ask(title, setting_fields(values))
    if not answers then return end
    answers.sounds = json.array(values.sounds)
    project.remember(proj, "wishes", answers)
    answers.sounds = json.array()
    on_answer(answers)
  end

  -- For new takes: an empty prompt keeps the one of each stem, an empty seed goes on after the takes that are there.
  -- `prompt` is what the stems were made for, if they agree.
  function wishes.ask_takes(proj, title, prompt, on_answer)
    local values = remembered(proj)
    local answers = form.ask(title, {
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

  return wishes
end
