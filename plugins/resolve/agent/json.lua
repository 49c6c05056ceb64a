-- Writing JSON (RFC 8259). Nothing is read: replies come as Lua tables.

local json = {}

local ARRAY = {}

-- Marks a table as a JSON array; without the mark an empty list could not be told from an empty object.
function json.array(items)
    return setmetatable(items or {}, ARRAY)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- Lua 5.1 patterns spell the zero byte %z.
local function encode_string(text)
    return '"' .. text:gsub('[%z\1-\31\127"\\]', function(c)
        return ESCAPES[c] or string.format("\\u%04x", c:byte())
    end) .. '"'
end

local function encode_number(number)
    if number ~= number or number == math.huge or number == -math.huge then return "null" end
    if number == math.floor(number) and math.abs(number) < 2 ^ 53 then return string.format("%.0f", number) end
    return string.format("%.17g", number)
end

-- Keys are sorted, so that the same table always gives the same text.
function json.encode(value)
    local kind = type(value)
    if kind == "string" then return encode_string(value) end
    if kind == "number" then return encode_number(value) end
    if kind == "boolean" then return tostring(value) end
    if kind ~= "table" then return "null" end
    local parts = {}
    if getmetatable(value) == ARRAY then
        for index = 1, #value do parts[index] = json.encode(value[index]) end
        return "[" .. table.concat(parts, ",") .. "]"
    end
    local keys = {}
    for key in pairs(value) do keys[#keys + 1] = tostring(key) end
    table.sort(keys)
    for _, key in ipairs(keys) do parts[#parts + 1] = encode_string(key) .. ":" .. json.encode(value[key]) end
    return "{" .. table.concat(parts, ",") .. "}"
end

return json
