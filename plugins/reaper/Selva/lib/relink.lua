-- "Move stems to their picture": after the cut was changed, every stem goes where its picture is now. Stems are only moved,
-- never trimmed, and nothing but our own stems is changed.

return function(selva)
  local anchor = selva.import("anchor")
  local snapshot = selva.import("snapshot")

  local relink = {}

  -- A sample at 192 kHz lasts 5.2e-6 s, and doubles that went through a project file differ by less than this.
  local SAME_S = 1e-7
  local MAX_REASONS = 6

  local function occupied_key(item_guid, stem_track)
    return item_guid .. " " .. stem_track
  end

  -- What this action needs of the project: `stems` that are anchored to a picture, `by_picture` all other items by the
  -- picture they show, and `occupied`, which items have a stem of which track already.
  local function read_project(proj)
    local view = { stems = {}, by_picture = {}, occupied = {} }
    for index = 0, reaper.CountMediaItems(proj) - 1 do
      local item = reaper.GetMediaItem(proj, index)
      local values = anchor.read(item)
      if values then
        view.stems[#view.stems + 1] = { item = item, values = values, is_selected = reaper.IsMediaItemSelected(item) }
        view.occupied[occupied_key(values.picture.item_guid, values.stem_track)] = true
      else
        local candidate = snapshot.describe_item(item)
        local take = candidate.active_take[1]
        if take then
          view.by_picture[take.picture_key] = view.by_picture[take.picture_key] or {}
          table.insert(view.by_picture[take.picture_key], candidate)
        end
      end
    end
    return view
  end

  -- The selected stems, or all of them when none is selected.
  local function choose_stems(stems)
    local selected = {}
    for _, stem in ipairs(stems) do
      if stem.is_selected then selected[#selected + 1] = stem end
    end
    return #selected > 0 and selected or stems
  end

  -- How many seconds of the picture under a stem an item shows, both counted in time of the picture's source.
  local function overlap_s(stem, candidate)
    local take, picture = candidate.active_take[1], stem.values.picture
    local audible_from = reaper.GetMediaItemInfo_Value(stem.item, "D_POSITION") - anchor.read_origin(stem.item)
    local audible_until = audible_from + reaper.GetMediaItemInfo_Value(stem.item, "D_LENGTH")
    local rate = picture.play_rate
    local first = math.max(picture.source_s + audible_from * rate, take.start_offset_s)
    local last = math.min(picture.source_s + audible_until * rate, take.start_offset_s + candidate.length_s * rate)
    return last - first
  end

  -- The item that shows a stem's picture now: the one it was made for; else, after a split or a paste, the one that shows
  -- most of it, unless that one has a stem of this track already.
  local function find_picture(stem, view)
    local picture = stem.values.picture
    local best, best_s = nil, SAME_S
    for _, candidate in ipairs(view.by_picture[picture.picture_key] or {}) do
      if math.abs(candidate.active_take[1].play_rate - picture.play_rate) < SAME_S then
        local shown_s = overlap_s(stem, candidate)
        if shown_s > SAME_S and candidate.guid == picture.item_guid then return candidate end
        local is_occupied = view.occupied[occupied_key(candidate.guid, stem.values.stem_track)]
        if shown_s > best_s and not is_occupied then best, best_s = candidate, shown_s end
      end
    end
    return best
  end

  -- Where a stem's origin belongs and its item's GUID; nil when it lies there already; or false and why it stays.
  local function find_target(stem, view)
    local origin_s = anchor.read_origin(stem.item)
    if not origin_s then return false, "it has no take" end
    local picture_item = find_picture(stem, view)
    if not picture_item then return false, "no item shows its picture at its rate any more" end
    local take = picture_item.active_take[1]
    local target_s = picture_item.position_s + (stem.values.picture.source_s - take.start_offset_s) / take.play_rate
    if math.abs(target_s - origin_s) < SAME_S then return nil end
    if not stem.is_selected and math.abs(origin_s - stem.values.origin_s) >= SAME_S then
      return false, "you moved it by hand; select it to have it moved"
    end
    return target_s, picture_item.guid
  end

  local function move_all(moves)
    for _, move in ipairs(moves) do
      anchor.move(move.stem.item, move.stem.values, move.origin_s, move.item_guid)
    end
  end

  local function move_in_one_step(proj, moves)
    reaper.Undo_BeginBlock2(proj)
    reaper.PreventUIRefresh(1)
    local ok, problem = pcall(move_all, moves)
    reaper.PreventUIRefresh(-1)
    reaper.Undo_EndBlock2(proj, string.format("Selva: move %d stem%s to the picture", #moves, #moves == 1 and "" or "s"), -1)
    reaper.UpdateArrange()
    if not ok then error(problem, 0) end
  end

  local function summarise(num_moved, num_in_place, reasons)
    local lines = { string.format("%d stem%s moved to the picture, %d in place already.", num_moved,
      num_moved == 1 and "" or "s", num_in_place) }
    if #reasons > 0 then lines[#lines + 1] = string.format("\n%d left alone:", #reasons) end
    for index, reason in ipairs(reasons) do
      if index > MAX_REASONS then
        lines[#lines + 1] = "..."
        break
      end
      lines[#lines + 1] = reason
    end
    return table.concat(lines, "\n")
  end

  -- Returns a sentence for the user, or nil when the project has no stems.
  function relink.run(proj)
    local view = read_project(proj)
    if #view.stems == 0 then return nil end
    local moves, reasons, num_in_place = {}, {}, 0
    for _, stem in ipairs(choose_stems(view.stems)) do
      local origin_s, guid_or_reason = find_target(stem, view)
      if origin_s then
        moves[#moves + 1] = { stem = stem, origin_s = origin_s, item_guid = guid_or_reason }
      elseif guid_or_reason then
        reasons[#reasons + 1] = stem.values.label .. ": " .. guid_or_reason
      else
        num_in_place = num_in_place + 1
      end
    end
    if #moves > 0 then move_in_one_step(proj, moves) end
    return summarise(#moves, num_in_place, reasons)
  end

  return relink
end
