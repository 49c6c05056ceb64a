-- The sound list as one window with a text box of any number of lines, for users who have ReaImGui 0.9 or newer
-- (ReaTeam/Extensions in ReaPack). Without it `input_dialog` shows REAPER's own dialog.

return function()
  local imgui_dialog = {}

  -- The interface version this file is written for; ReaImGui keeps older ones working through its shim.
  local INTERFACE = "0.9"

  local WIDTH, HEIGHT = 520, 420
  local TEXT_HEIGHT = 170
  local FIELD_WIDTH = 260

  local ImGui -- nil: not loaded yet; false: not installed

  local function load_imgui()
    if not reaper.ImGui_GetBuiltinPath then return false end
    local old_path = package.path
    package.path = reaper.ImGui_GetBuiltinPath() .. "/?.lua;" .. old_path
    local found, shim = pcall(require, "imgui")
    package.path = old_path
    if not found then return false end
    local fits, interface = pcall(shim, INTERFACE)
    return fits and interface
  end

  -- Not for users of a screen reader: ReaImGui draws its windows itself, so that screen readers find no text in them.
  function imgui_dialog.is_available()
    if reaper.osara_outputMessage then return false end
    if ImGui == nil then ImGui = load_imgui() end
    return ImGui ~= false
  end

  local function split_lines(text)
    local lines = {}
    for line in (text .. "\n"):gmatch("(.-)\r?\n") do
      line = line:match("^%s*(.-)%s*$")
      if line ~= "" then lines[#lines + 1] = line end
    end
    return lines
  end

  -- Draws the inside of the window; returns "ok", "cancel" or nil.
  local function draw_fields(context, state, settings)
    local _
    ImGui.Text(context, "One sound per line, as   Track: prompt   (Dog: small dog barking)")
    _, state.sounds = ImGui.InputTextMultiline(context, "##sounds", state.sounds, WIDTH - 20, TEXT_HEIGHT)
    for _, setting in ipairs(settings) do
      ImGui.SetNextItemWidth(context, FIELD_WIDTH)
      local _, text = ImGui.InputText(context, setting.caption, state[setting.key])
      state[setting.key] = text
    end
    ImGui.Separator(context)
    if ImGui.Button(context, "Generate") then return "ok" end
    ImGui.SameLine(context)
    if ImGui.Button(context, "Cancel") then return "cancel" end
    return nil
  end

  -- Shows the window until it is answered; `on_answer` gets the same table as that of `form.ask_sounds`.
  function imgui_dialog.ask_sounds(title, values, settings, on_answer)
    local context = ImGui.CreateContext(title)
    local state = { sounds = table.concat(values.sounds, "\n") }
    for _, setting in ipairs(settings) do
      state[setting.key] = values[setting.key]
    end

    local function tick()
      ImGui.SetNextWindowSize(context, WIDTH, HEIGHT, ImGui.Cond_FirstUseEver)
      local is_visible, is_open = ImGui.Begin(context, title, true)
      local answer
      if is_visible then
        answer = draw_fields(context, state, settings)
        ImGui.End(context)
      end
      if answer == "ok" then
        state.sounds = split_lines(state.sounds)
        on_answer(state)
      elseif is_open and answer == nil then
        reaper.defer(tick)
      end
    end
    tick()
  end

  return imgui_dialog
end
