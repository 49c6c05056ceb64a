-- Text fields in REAPER's own input dialog (GetUserInputs), which takes pasted text and needs no extension.

return function()
  local input_dialog = {}

  -- What REAPER hands back of all fields together; it cuts off the rest without an error.
  local MAX_ANSWER_BYTES = 1023
  local CUT_OFF = "REAPER's dialog holds about 1000 characters in all its fields together, and what you typed is longer: "
    .. "the end of it is gone.\n\nShorten the lines, ask for some of the sounds in a second run, or install ReaImGui "
    .. "(ReaPack, ReaTeam Extensions), whose text box has no such limit."

  local FIELD_WIDTH = 380
  local PAIRS = { { "(", ")" }, { "[", "]" }, { "{", "}" } }

  -- REAPER splits the default values itself and takes a quote or bracket without its partner ("the dog's bowl") for the
  -- beginning of a quoted part, which swallows the fields after it. In a value that has one, all of them are replaced by
  -- look-alikes, and `restore_plain` puts the plain ones back.
  local LOOK_ALIKES = {
    ["'"] = "\u{2019}", ['"'] = "\u{2033}", ["`"] = "\u{2018}",
    ["("] = "\u{FF08}", [")"] = "\u{FF09}", ["["] = "\u{FF3B}", ["]"] = "\u{FF3D}",
    ["{"] = "\u{FF5B}", ["}"] = "\u{FF5D}",
  }

  local function count(text, char)
    local _, number = text:gsub("%" .. char, "")
    return number
  end

  local function is_balanced(text)
    for _, quote in ipairs({ "'", '"', "`" }) do
      if count(text, quote) % 2 ~= 0 then return false end
    end
    for _, pair in ipairs(PAIRS) do
      if count(text, pair[1]) ~= count(text, pair[2]) then return false end
    end
    return true
  end

  local function to_look_alikes(text)
    return (text:gsub("['\"`%(%)%[%]{}]", LOOK_ALIKES))
  end

  local function restore_plain(text)
    for plain, look_alike in pairs(LOOK_ALIKES) do
      text = text:gsub(look_alike, plain)
    end
    return text
  end

  -- The values in what the dialog hands back, as they were typed.
  local function read_values(text, is_replaced)
    local values = {}
    for value in (text .. "\n"):gmatch("(.-)\n") do
      if is_replaced[#values + 1] then value = restore_plain(value) end
      values[#values + 1] = value:match("^%s*(.-)%s*$")
    end
    return values
  end

  local function show(title, captions, values)
    local is_replaced, shown = {}, {}
    for index, value in ipairs(values) do
      value = value:gsub("[\r\n]+", " ")
      is_replaced[index] = not is_balanced(value)
      shown[index] = is_replaced[index] and to_look_alikes(value) or value
    end
    local ok, text = reaper.GetUserInputs(title, #values, captions, table.concat(shown, "\n"))
    if not ok then return nil end
    local answers = read_values(text, is_replaced)
    return answers, #answers < #values or #text >= MAX_ANSWER_BYTES
  end

  -- Shows one dialog. `fields` is a list of {key, caption, value}; captions hold no comma. Returns key -> text, or nil when
  -- the user cancelled. Where REAPER cut off what was typed, a message says so and the dialog is shown again.
  function input_dialog.ask(title, fields)
    local captions, values = {}, {}
    for index, field in ipairs(fields) do
      captions[index], values[index] = field.caption, field.value
    end
    captions[#captions + 1] = "extrawidth=" .. FIELD_WIDTH
    captions[#captions + 1] = "separator=\n"
    local answers, is_cut
    repeat
      answers, is_cut = show(title, table.concat(captions, ","), values)
      if is_cut then
        reaper.MB(CUT_OFF, "Selva", 0)
        answers[#answers] = answers[#answers]:gsub("[\xC0-\xFF][\x80-\xBF]*$", "") -- a UTF-8 sequence that was cut in two
        for index in ipairs(values) do values[index] = answers[index] or values[index] end
      end
    until not is_cut
    if not answers then return nil end
    local by_key = {}
    for index, field in ipairs(fields) do
      by_key[field.key] = answers[index]
    end
    return by_key
  end

  return input_dialog
end
