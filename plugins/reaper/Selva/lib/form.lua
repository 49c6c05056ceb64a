-- Asks for text in REAPER's own input dialog (GetUserInputs), which takes pasted text and needs no extension.

return function()
  local form = {}

  -- REAPER's limit on fields of one dialog.
  form.MAX_FIELDS = 16

  local FIELD_WIDTH = 380
  local PAIRS = { { "(", ")" }, { "[", "]" }, { "{", "}" } }

  -- REAPER splits the default values itself and stumbles over a quote or bracket without its partner ("the dog's bowl").
  -- In a value that has one, look-alikes stand in for all of them, and `harden` puts the plain ones back.
  local STAND_INS = {
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

  local function soften(text)
    return (text:gsub("['\"`%(%)%[%]{}]", STAND_INS))
  end

  local function harden(text)
    for plain, stand_in in pairs(STAND_INS) do
      text = text:gsub(stand_in, plain)
    end
    return text
  end

  -- Shows one dialog. `fields` is a list of {key, caption, value}; captions hold no comma. Returns key -> text, or nil when
  -- the user cancelled.
  function form.ask(title, fields)
    local captions, values, is_softened = {}, {}, {}
    for index, field in ipairs(fields) do
      local value = field.value:gsub("[\r\n]+", " ")
      is_softened[index] = not is_balanced(value)
      captions[index] = field.caption
      values[index] = is_softened[index] and soften(value) or value
    end
    captions[#captions + 1] = "extrawidth=" .. FIELD_WIDTH
    captions[#captions + 1] = "separator=\n"
    local ok, text = reaper.GetUserInputs(title, #fields, table.concat(captions, ","), table.concat(values, "\n"))
    if not ok then return nil end
    local answers = {}
    local index = 1
    for value in (text .. "\n"):gmatch("(.-)\n") do
      if fields[index] then
        value = is_softened[index] and harden(value) or value
        answers[fields[index].key] = value:match("^%s*(.-)%s*$")
      end
      index = index + 1
    end
    return answers
  end

  return form
end
