-- Drawing with gfx: colours, text that is shortened to fit, buttons. Sizes are in points; `scale` makes them pixels.

return function()
  local paint = { scale = 1 }

  local FONT = "Arial"

  paint.COLOURS = {
    ground = { 0.13, 0.14, 0.16 },
    row = { 0.18, 0.19, 0.22 },
    trough = { 0.10, 0.11, 0.12 },
    text = { 0.92, 0.93, 0.94 },
    faint = { 0.62, 0.65, 0.69 },
    busy = { 0.35, 0.63, 0.86 },
    good = { 0.42, 0.75, 0.50 },
    warning = { 0.91, 0.70, 0.32 },
    bad = { 0.89, 0.42, 0.39 },
    button = { 0.27, 0.29, 0.33 },
    button_hot = { 0.36, 0.39, 0.44 },
  }

  function paint.colour(name)
    local colour = paint.COLOURS[name]
    gfx.set(colour[1], colour[2], colour[3], 1)
  end

  function paint.font(size, is_bold)
    gfx.setfont(1, FONT, math.floor(size * paint.scale + 0.5), is_bold and string.byte("b") or 0)
  end

  function paint.box(x, y, width, height, colour)
    paint.colour(colour)
    local scale = paint.scale
    gfx.rect(math.floor(x * scale), math.floor(y * scale), math.ceil(width * scale), math.ceil(height * scale), 1)
  end

  -- The longest beginning of `text` that fits into `width` points, with three dots when something is left out.
  local function shorten(text, width)
    local limit = width * paint.scale
    if gfx.measurestr(text) <= limit then return text end
    local ends = {}
    for position in text:gmatch("()[^\x80-\xBF]") do
      ends[#ends + 1] = position - 1
    end
    local low, high = 1, #ends
    while low < high do
      local middle = (low + high + 1) // 2
      if gfx.measurestr(text:sub(1, ends[middle]) .. "...") <= limit then
        low = middle
      else
        high = middle - 1
      end
    end
    return text:sub(1, ends[low]) .. "..."
  end

  local function draw(text, x, y)
    gfx.x, gfx.y = math.floor(x * paint.scale), math.floor(y * paint.scale)
    gfx.drawstr(text)
  end

  -- One line of text, shortened to `width`.
  function paint.text(text, x, y, width, colour)
    paint.colour(colour)
    draw(shorten(text, width), x, y)
  end

  function paint.text_right(text, right, y, colour)
    paint.colour(colour)
    draw(text, right - gfx.measurestr(text) / paint.scale, y)
  end

  -- The lines that `text` needs at `width` points.
  function paint.wrap(text, width)
    local lines = {}
    for paragraph in (text .. "\n"):gmatch("(.-)\n") do
      local line = ""
      for word in paragraph:gmatch("%S+") do
        local longer = line == "" and word or line .. " " .. word
        if line ~= "" and gfx.measurestr(longer) > width * paint.scale then
          lines[#lines + 1] = line
          longer = word
        end
        line = longer
      end
      lines[#lines + 1] = line
    end
    return lines
  end

  -- A button, with a frame when keys would press it; true while the mouse is over it.
  function paint.button(label, x, y, width, height, has_focus)
    local mouse_x, mouse_y = gfx.mouse_x / paint.scale, gfx.mouse_y / paint.scale
    local is_hot = mouse_x >= x and mouse_x < x + width and mouse_y >= y and mouse_y < y + height
    if has_focus then paint.box(x - 2, y - 2, width + 4, height + 4, "text") end
    paint.box(x, y, width, height, is_hot and "button_hot" or "button")
    paint.colour("text")
    local text = shorten(label, width - 8)
    local text_width, text_height = gfx.measurestr(text)
    draw(text, x + (width - text_width / paint.scale) / 2, y + (height - text_height / paint.scale) / 2)
    return is_hot
  end

  return paint
end
