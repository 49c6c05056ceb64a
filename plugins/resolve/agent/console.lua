-- What the user reads: lines in the Console, and markers where a script's output is shown nowhere.

local api = import("resolve_api")

local call = api.call

local console = {}

local STATUS_DATA = "selva:status"
-- One marker fits on a frame; so many frames are tried from the timeline's start.
local MAX_MARKER_FRAMES = 100

function console.print_line(text)
    print("Selva: " .. text)
end

-- Removes the marker of an earlier outcome, which no longer applies.
function console.clear_marker()
    call(api.open_project().timeline, "DeleteMarkerByCustomData", STATUS_DATA)
end

-- A marker that shows the outcome and replaces the earlier one: Free 21.1 shows nothing that a script prints.
function console.show_marker(title, note, color)
    local timeline = api.open_project().timeline
    console.clear_marker()
    local markers = call(timeline, "GetMarkers") or {}
    for frame = 0, MAX_MARKER_FRAMES - 1 do
        local is_free = markers[frame] == nil
        if is_free and call(timeline, "AddMarker", frame, color, title, note, 1, STATUS_DATA) then return end
    end
end

function console.show_outcome(title, lines, is_trouble)
    console.print_line(title)
    for _, line in ipairs(lines) do console.print_line("  " .. line) end
    if api.is_sandboxed() or is_trouble then
        console.show_marker("Selva: " .. title, table.concat(lines, "\n"), is_trouble and "Red" or "Green")
    else
        console.clear_marker()
    end
end

function console.count_of(number, noun)
    return number .. " " .. noun .. (number == 1 and "" or "s")
end

-- notices: lines of the bridge that come first.
function console.show_report(report, notices)
    local lines, num_placed, num_held = {}, 0, 0
    local is_reported = {}
    -- Several stems of one clip, or on one track, have the same to say.
    local function add_once(line)
        if line and not is_reported[line] then lines[#lines + 1], is_reported[line] = line, true end
    end
    for index = 1, #(notices or {}) do lines[index] = notices[index] end
    for _, stem in ipairs(report.stems) do
        if stem.status == "placed" then
            num_placed = num_placed + 1
            add_once(stem.note and (stem.note .. ", so it lies on '" .. stem.track_name .. "'"))
            add_once(stem.change)
            add_once(stem.remark and ("'" .. stem.track_name .. "': " .. stem.remark))
        else
            num_held = num_held + 1
            lines[#lines + 1] = "not placed: " .. stem.id .. ": " .. stem.reason
        end
    end
    local title = console.count_of(num_placed, "stem") .. " placed"
    if num_held > 0 then title = title .. ", " .. num_held .. " not" end
    if not report.saved then lines[#lines + 1] = "Resolve did not save the project; save it yourself" end
    console.show_outcome(title, lines, num_held > 0)
end

return console
