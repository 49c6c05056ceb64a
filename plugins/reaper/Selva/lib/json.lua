-- JSON (RFC 8259) in the common subset of Lua 5.3 and 5.4.
--
-- Kept through a round trip: integers as integers (64 bits), floats bit for bit (%.17g), and bytes that are not UTF-8,
-- which file names may hold: byte XX travels as \udcXX, the way Python's "surrogateescape" reads it.

return function()
  local json = {}

  local MAX_DEPTH = 100
  local ARRAY = { __name = "json.array" }

  json.null = setmetatable({}, { __name = "json.null", __tostring = function() return "null" end })

  -- Marks a table as a list, so that an empty one is written as [] and not as {}.
  function json.array(list)
    return setmetatable(list or {}, ARRAY)
  end

  -- Writing ----------------------------------------------------------------------------------------------------------

  local SHORT_ESCAPES = {
    ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
  }

  local function escape_control(char)
    return SHORT_ESCAPES[char] or string.format("\\u%04x", char:byte())
  end

  -- Length in bytes of the UTF-8 sequence at `at`, or nil when the bytes there are not one (RFC 3629, table of 3.1).
  local function sequence_length(text, at)
    local first, second, third, fourth = text:byte(at, at + 3)
    local function continues(byte, low, high)
      return byte and byte >= (low or 0x80) and byte <= (high or 0xBF)
    end
    if first < 0x80 then return 1 end
    if first >= 0xC2 and first <= 0xDF then
      return continues(second) and 2 or nil
    end
    if first >= 0xE0 and first <= 0xEF then
      local low = first == 0xE0 and 0xA0 or nil
      local high = first == 0xED and 0x9F or nil
      return continues(second, low, high) and continues(third) and 3 or nil
    end
    if first >= 0xF0 and first <= 0xF4 then
      local low = first == 0xF0 and 0x90 or nil
      local high = first == 0xF4 and 0x8F or nil
      return continues(second, low, high) and continues(third) and continues(fourth) and 4 or nil
    end
    return nil
  end

  local function escape_broken_bytes(text)
    local parts, at = {}, 1
    while at <= #text do
      local length = sequence_length(text, at)
      if length then
        parts[#parts + 1] = text:sub(at, at + length - 1)
        at = at + length
      else
        parts[#parts + 1] = string.format("\\udc%02x", text:byte(at))
        at = at + 1
      end
    end
    return table.concat(parts)
  end

  local function encode_string(text)
    local escaped = text:gsub('[%c"\\]', escape_control)
    if escaped:find("[\x80-\xFF]") then
      escaped = escape_broken_bytes(escaped)
    end
    return '"' .. escaped .. '"'
  end

  local function encode_number(number)
    if math.type(number) == "integer" then
      return string.format("%d", number)
    end
    if number ~= number or number == math.huge or number == -math.huge then
      error("JSON has no word for " .. tostring(number), 0)
    end
    local text = string.format("%.17g", number):gsub(",", ".") -- a locale may have put a comma
    if not text:find("[%.e]") then
      text = text .. ".0"
    end
    return text
  end

  local encode_value

  local function encode_list(list, depth)
    local parts = {}
    for index = 1, #list do
      parts[index] = encode_value(list[index], depth + 1)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end

  local function encode_map(map, depth)
    local keys = {}
    for key in pairs(map) do
      if type(key) ~= "string" then
        error("the keys of a JSON object are strings; got a " .. type(key), 0)
      end
      keys[#keys + 1] = key
    end
    table.sort(keys)
    for index, key in ipairs(keys) do
      keys[index] = encode_string(key) .. ":" .. encode_value(map[key], depth + 1)
    end
    return "{" .. table.concat(keys, ",") .. "}"
  end

  function encode_value(value, depth)
    if depth > MAX_DEPTH then
      error("JSON deeper than " .. MAX_DEPTH .. " levels, or a table that holds itself", 0)
    end
    local kind = type(value)
    if value == json.null then return "null" end
    if kind == "string" then return encode_string(value) end
    if kind == "number" then return encode_number(value) end
    if kind == "boolean" then return tostring(value) end
    if kind ~= "table" then
      error("JSON cannot hold a " .. kind, 0)
    end
    if getmetatable(value) == ARRAY or #value > 0 then
      return encode_list(value, depth)
    end
    return encode_map(value, depth)
  end

  function json.encode(value)
    return encode_value(value, 1)
  end

  -- Reading ----------------------------------------------------------------------------------------------------------

  local LONG_ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

  local function fail(at, message)
    error(string.format("not JSON at byte %d: %s", at, message), 0)
  end

  local function skip_blanks(text, at)
    return text:find("[^ \t\r\n]", at) or #text + 1
  end

  local function decode_hex4(text, at)
    local digits = text:match("^%x%x%x%x", at)
    if not digits then fail(at, "four hexadecimal digits are expected after \\u") end
    return tonumber(digits, 16)
  end

  -- What a \u escape at `at` (just after the u) stands for, and where reading goes on.
  local function decode_unicode_escape(text, at)
    local code = decode_hex4(text, at)
    at = at + 4
    if code >= 0xD800 and code <= 0xDBFF and text:sub(at, at + 1) == "\\u" then
      local low = decode_hex4(text, at + 2)
      if low >= 0xDC00 and low <= 0xDFFF then
        return utf8.char(0x10000 + (code - 0xD800) * 0x400 + (low - 0xDC00)), at + 6
      end
    end
    if code >= 0xDC80 and code <= 0xDCFF then
      return string.char(code - 0xDC00), at
    end
    if code >= 0xD800 and code <= 0xDFFF then
      return "\u{FFFD}", at
    end
    return utf8.char(code), at
  end

  local function decode_string(text, at)
    local parts = {}
    at = at + 1
    while true do
      local stop = text:find('[%c"\\]', at)
      if not stop then fail(at, "a string without an end") end
      parts[#parts + 1] = text:sub(at, stop - 1)
      local char = text:sub(stop, stop)
      if char == '"' then
        return table.concat(parts), stop + 1
      elseif char == "\\" then
        local escape = text:sub(stop + 1, stop + 1)
        if escape == "u" then
          parts[#parts + 1], at = decode_unicode_escape(text, stop + 2)
        else
          parts[#parts + 1] = LONG_ESCAPES[escape] or fail(stop, "unknown escape \\" .. escape)
          at = stop + 2
        end
      elseif char == "\x7F" then
        parts[#parts + 1] = char
        at = stop + 1
      else
        fail(stop, "a control character inside a string")
      end
    end
  end

  local function decode_number(text, at)
    local digits = text:match("^%-?%d+", at)
    if not digits or digits:find("^%-?0%d") then fail(at, "a number is expected") end
    local literal = digits .. (text:match("^%.%d+", at + #digits) or "")
    literal = literal .. (text:match("^[eE][%+%-]?%d+", at + #literal) or "")
    return tonumber(literal), at + #literal
  end

  local decode_value

  local function decode_list(text, at, depth)
    local list = json.array()
    at = skip_blanks(text, at + 1)
    if text:sub(at, at) == "]" then return list, at + 1 end
    while true do
      list[#list + 1], at = decode_value(text, at, depth + 1)
      at = skip_blanks(text, at)
      local char = text:sub(at, at)
      if char == "]" then return list, at + 1 end
      if char ~= "," then fail(at, "a comma or ] is expected") end
      at = at + 1
    end
  end

  local function decode_map(text, at, depth)
    local map = {}
    at = skip_blanks(text, at + 1)
    if text:sub(at, at) == "}" then return map, at + 1 end
    while true do
      at = skip_blanks(text, at)
      if text:sub(at, at) ~= '"' then fail(at, "a key in quotes is expected") end
      local key
      key, at = decode_string(text, at)
      at = skip_blanks(text, at)
      if text:sub(at, at) ~= ":" then fail(at, "a colon is expected") end
      map[key], at = decode_value(text, at + 1, depth + 1)
      at = skip_blanks(text, at)
      local char = text:sub(at, at)
      if char == "}" then return map, at + 1 end
      if char ~= "," then fail(at, "a comma or } is expected") end
      at = at + 1
    end
  end

  local LITERALS = { { "true", true }, { "false", false }, { "null", json.null } }

  function decode_value(text, at, depth)
    if depth > MAX_DEPTH then fail(at, "deeper than " .. MAX_DEPTH .. " levels") end
    at = skip_blanks(text, at)
    local char = text:sub(at, at)
    if char == '"' then return decode_string(text, at) end
    if char == "{" then return decode_map(text, at, depth) end
    if char == "[" then return decode_list(text, at, depth) end
    for _, literal in ipairs(LITERALS) do
      if text:sub(at, at + #literal[1] - 1) == literal[1] then
        return literal[2], at + #literal[1]
      end
    end
    return decode_number(text, at)
  end

  -- The value that `text` stands for, or nil and what is wrong with it. null is json.null.
  function json.decode(text)
    local ok, value, at = pcall(decode_value, text, 1, 1)
    if not ok then return nil, value end
    at = skip_blanks(text, at)
    if at <= #text then
      return nil, string.format("not JSON at byte %d: something follows the value", at)
    end
    return value
  end

  return json
end
