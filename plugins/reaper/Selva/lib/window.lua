-- The window: a list of rows, each with a title, a few lines, a bar, and buttons. It shows progress, the job list and the
-- check.
--
-- A row is {title, right, lines = {{text, colour}}, fraction, colour, buttons = {{label, on_click}}}.

return function(selva)
  local paint = selva.import("paint")

  local window = {}

  local WIDTH, HEIGHT, TALL_HEIGHT = 560, 320, 460
  local MARGIN, GAP = 14, 8
  local TITLE_SIZE, TEXT_SIZE, LINE_HEIGHT = 16, 13, 18
  local BAR_HEIGHT, BUTTON_WIDTH, BUTTON_HEIGHT = 6, 84, 24
  local KEY_ESCAPE, KEY_CLOSED = 27, -1
  local LEFT_BUTTON = 1

  local is_open = false
  local was_pressed = false
  local scroll = 0

  function window.open(title, is_tall)
    gfx.ext_retina = 1
    gfx.init(title, WIDTH, is_tall and TALL_HEIGHT or HEIGHT, 0)
    paint.scale = gfx.ext_retina > 1 and gfx.ext_retina or 1
    is_open = true
    scroll = 0
  end

  function window.is_open()
    return is_open
  end

  function window.close()
    if is_open then gfx.quit() end
    is_open = false
  end

  local function row_height(row, lines)
    local height = MARGIN + TITLE_SIZE + 6 + #lines * LINE_HEIGHT
    if row.fraction then height = height + BAR_HEIGHT + 8 end
    if #row.buttons > 0 then height = height + BUTTON_HEIGHT + 8 end
    return height + MARGIN - 6
  end

  local function wrap_lines(row, width)
    local lines = {}
    paint.font(TEXT_SIZE)
    for _, line in ipairs(row.lines) do
      for _, text in ipairs(paint.wrap(line.text, width)) do
        lines[#lines + 1] = { text = text, colour = line.colour or "faint" }
      end
    end
    return lines
  end

  local function draw_buttons(row, right, y, is_click)
    local clicked
    paint.font(TEXT_SIZE)
    local x = right
    for index = #row.buttons, 1, -1 do
      x = x - BUTTON_WIDTH
      local is_hot = paint.button(row.buttons[index].label, x, y, BUTTON_WIDTH, BUTTON_HEIGHT)
      if is_hot and is_click then clicked = row.buttons[index].on_click end
      x = x - GAP
    end
    return clicked
  end

  -- Draws one row with its top at y; returns its height and what was clicked in it.
  local function draw_row(row, y, width, is_click)
    local inner_width = width - 2 * MARGIN
    local left, right = 2 * MARGIN, width
    local lines = wrap_lines(row, inner_width - MARGIN)
    local height = row_height(row, lines)
    paint.box(MARGIN, y, width, height, "row")
    paint.box(MARGIN, y, 3, height, row.colour or "row")
    local at = y + MARGIN - 2
    paint.font(TEXT_SIZE)
    local right_width = row.right and gfx.measurestr(row.right) / paint.scale + GAP or 0
    if row.right then paint.text_right(row.right, right, at + 2, "faint") end
    paint.font(TITLE_SIZE, true)
    paint.text(row.title, left, at, inner_width - MARGIN - right_width, "text")
    at = at + TITLE_SIZE + 6
    paint.font(TEXT_SIZE)
    for _, line in ipairs(lines) do
      paint.text(line.text, left, at, inner_width, line.colour)
      at = at + LINE_HEIGHT
    end
    if row.fraction then
      paint.box(left, at + 2, right - left, BAR_HEIGHT, "trough")
      paint.box(left, at + 2, (right - left) * math.max(0, math.min(1, row.fraction)), BAR_HEIGHT, row.colour)
      at = at + BAR_HEIGHT + 8
    end
    local clicked = #row.buttons > 0 and draw_buttons(row, right, at + 2, is_click) or nil
    return height, clicked
  end

  local function read_click()
    local is_pressed = math.floor(gfx.mouse_cap) & LEFT_BUTTON ~= 0
    local is_click = is_pressed and not was_pressed
    was_pressed = is_pressed
    return is_click
  end

  local function read_scroll(content_height, view_height)
    scroll = scroll - gfx.mouse_wheel / 2
    gfx.mouse_wheel = 0
    scroll = math.max(0, math.min(scroll, content_height - view_height))
  end

  -- Draws the rows and a footer, and answers clicks. False when the user closed the window.
  function window.draw(rows, footer)
    local key = gfx.getchar()
    if key == KEY_CLOSED or key == KEY_ESCAPE then
      window.close()
      return false
    end
    local width = gfx.w / paint.scale - 2 * MARGIN
    local view_height = gfx.h / paint.scale - LINE_HEIGHT - GAP
    local is_click = read_click()
    paint.box(0, 0, gfx.w / paint.scale, gfx.h / paint.scale, "ground")
    local y = MARGIN - scroll
    local clicked
    for _, row in ipairs(rows) do
      local height, click = draw_row(row, y, width, is_click)
      clicked = clicked or click
      y = y + height + GAP
    end
    read_scroll(y + scroll, view_height)
    paint.box(0, view_height, gfx.w / paint.scale, LINE_HEIGHT + GAP, "ground")
    paint.font(TEXT_SIZE)
    paint.text(footer, MARGIN, view_height + 4, width, "faint")
    gfx.update()
    if clicked then clicked() end
    return true
  end

  return window
end
