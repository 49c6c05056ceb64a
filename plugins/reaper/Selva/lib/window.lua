-- The window: a list of rows, each with a title, a few lines, a progress bar and buttons. It shows progress, the job list
-- and the check.
--
-- A row is {key, title, right, lines = {{text, colour}}, fraction, colour, buttons = {{label, on_click}}, announcement}.
-- `key` identifies the row from one drawing to the next; `announcement` is spoken by a screen reader whenever it changes.
--
-- Everything works without a mouse: Tab and the arrows go from button to button, Enter presses, Page Up and Page Down
-- scroll, R reads everything aloud, Escape closes.

return function(selva)
  local paint = selva.import("paint")
  local speech = selva.import("speech")

  local window = {}

  local WIDTH, HEIGHT, TALL_HEIGHT = 560, 320, 460
  local MARGIN, GAP = 14, 8
  local TITLE_SIZE, TEXT_SIZE, LINE_HEIGHT = 16, 13, 18
  local BAR_HEIGHT, BUTTON_WIDTH, BUTTON_HEIGHT = 6, 84, 24
  -- What gfx.getchar returns: ASCII, or four characters as one number ("left" is 1818584692).
  local KEY_ESCAPE, KEY_CLOSED, KEY_TAB, KEY_ENTER, KEY_SPACE = 27, -1, 9, 13, 32
  local KEY_LEFT, KEY_RIGHT, KEY_UP, KEY_DOWN = 1818584692, 1919379572, 30064, 1685026670
  local KEY_PAGE_UP, KEY_PAGE_DOWN = 1885828464, 1885824110
  local STEPS = { [KEY_TAB] = 1, [KEY_RIGHT] = 1, [KEY_DOWN] = 1, [KEY_LEFT] = -1, [KEY_UP] = -1 }
  local SCROLLS = { [KEY_PAGE_UP] = -200, [KEY_PAGE_DOWN] = 200 }
  local LEFT_BUTTON, SHIFT = 1, 8

  local is_open = false
  local was_pressed = false
  local scroll = 0
  local focus -- {key, label} of the button that Enter presses; nil until a key selected one
  local is_focus_moved = false

  function window.open(title, is_tall)
    gfx.ext_retina = 1
    gfx.init(title, WIDTH, is_tall and TALL_HEIGHT or HEIGHT, 0)
    paint.scale = gfx.ext_retina > 1 and gfx.ext_retina or 1
    is_open = true
    scroll, focus = 0, nil
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
      local has_focus = focus and focus.key == row.key and focus.label == row.buttons[index].label
      local is_hot = paint.button(row.buttons[index].label, x, y, BUTTON_WIDTH, BUTTON_HEIGHT, has_focus)
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

  -- Everything that can be pressed, from top to bottom.
  local function list_buttons(rows)
    local all = {}
    for _, row in ipairs(rows) do
      for _, button in ipairs(row.buttons) do
        all[#all + 1] = { key = row.key, label = button.label, on_click = button.on_click, row = row }
      end
    end
    return all
  end

  local function find_focus(all)
    for index, button in ipairs(all) do
      if focus and button.key == focus.key and button.label == focus.label then return index end
    end
    return nil
  end

  local function list_texts(rows)
    local texts = {}
    for _, row in ipairs(rows) do
      texts[#texts + 1] = row.title
      for _, line in ipairs(row.lines) do texts[#texts + 1] = line.text end
    end
    return texts
  end

  local function move_focus(all, step)
    if #all == 0 then return end
    local index = find_focus(all)
    index = index and (index - 1 + step) % #all + 1 or (step > 0 and 1 or #all)
    focus = all[index]
    is_focus_moved = true
    speech.say(focus.label .. ", button", table.unpack(list_texts({ focus.row })))
  end

  -- Handles a key; returns the on_click of a button that it pressed.
  local function handle_key(key, rows)
    local all = list_buttons(rows)
    if STEPS[key] then
      local is_backward = key == KEY_TAB and math.floor(gfx.mouse_cap) & SHIFT ~= 0
      move_focus(all, is_backward and -1 or STEPS[key])
    elseif key == KEY_ENTER or key == KEY_SPACE then
      local index = find_focus(all)
      return index and all[index].on_click
    elseif SCROLLS[key] then
      scroll = scroll + SCROLLS[key]
    elseif key == string.byte("r") or key == string.byte("R") then
      speech.say(table.unpack(list_texts(rows)))
    end
    return nil
  end

  local function announce(rows)
    local announcements = {}
    for _, row in ipairs(rows) do
      if row.announcement then announcements[#announcements + 1] = { key = row.key, text = row.announcement } end
    end
    speech.say_changes(announcements)
  end

  local function read_scroll(content_height, view_height)
    scroll = scroll - gfx.mouse_wheel / 2
    gfx.mouse_wheel = 0
    scroll = math.max(0, math.min(scroll, content_height - view_height))
  end

  -- Draws the rows and a footer, and handles clicks and keys. False when the user closed the window.
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
    local clicked = handle_key(key, rows)
    announce(rows)
    local scrolled = scroll
    local y = MARGIN - scrolled
    for _, row in ipairs(rows) do
      local height, click = draw_row(row, y, width, is_click)
      if is_focus_moved and focus.key == row.key and (y < 0 or y + height > view_height) then
        scroll = scrolled + y - MARGIN
      end
      clicked = clicked or click
      y = y + height + GAP
    end
    is_focus_moved = false
    read_scroll(y + scrolled, view_height)
    paint.box(0, view_height, gfx.w / paint.scale, LINE_HEIGHT + GAP, "ground")
    paint.font(TEXT_SIZE)
    paint.text(footer, MARGIN, view_height + 4, width, "faint")
    gfx.update()
    if clicked then clicked() end
    return true
  end

  return window
end
