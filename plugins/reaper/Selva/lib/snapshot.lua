-- What is on the timeline, in REAPER's own units: seconds as doubles, play rates, section offsets, GUIDs. Nothing is
-- computed or decided here; that is done once, in the bridge.

return function(selva)
  local anchor = selva.import("anchor")
  local json = selva.import("json")
  local native = selva.import("native")
  local project = selva.import("project")
  local tracks = selva.import("tracks")

  local snapshot = {}

  local MAX_NESTED_SOURCES = 8
  local FIXED_LANES = 2 -- I_FREEMODE

  -- The sources of a take, outermost first: a section or a reversed take is a SECTION around the source of the file.
  local function describe_source(take)
    local chain = json.array()
    local source = take and reaper.GetMediaItemTake_Source(take)
    while source and #chain < MAX_NESTED_SOURCES do
      local length, in_quarter_notes = reaper.GetMediaSourceLength(source)
      local is_section, offset, section_length, reversed = reaper.PCM_Source_GetSectionInfo(source)
      chain[#chain + 1] = {
        type = native.source_type(source),
        file = native.source_file(source),
        length_s = length,
        length_is_quarter_notes = in_quarter_notes,
        is_section = is_section,
        section_offset_s = offset,
        section_length_s = section_length,
        is_reversed = reversed,
      }
      source = reaper.GetMediaSourceParent(source)
    end
    return chain
  end

  -- A key for the picture that a take shows, by which a later comparison sees whether it is still the same.
  local function key_of_chain(chain)
    local parts = {}
    for _, source in ipairs(chain) do
      parts[#parts + 1] = source.file
      if source.is_section then
        parts[#parts + 1] = string.format("%.9f+%.9f%s", source.section_offset_s, source.section_length_s,
          source.is_reversed and "r" or "")
      end
    end
    return table.concat(parts, "|")
  end

  function snapshot.picture_key(take)
    return key_of_chain(describe_source(take))
  end

  -- The recipe of a stem, as the bridge wrote it into the plan; "" for other takes.
  local function read_recipe(take)
    local _, recipe = reaper.GetSetMediaItemTakeInfo_String(take, "P_EXT:selva", "", false)
    return recipe
  end

  local function describe_take(take)
    local _, name = reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", "", false)
    local _, guid = reaper.GetSetMediaItemTakeInfo_String(take, "GUID", "", false)
    local chain, delay_s = describe_source(take), anchor.read_delay(take)
    return {
      guid = guid,
      name = name,
      recipe = read_recipe(take),
      delay_s = delay_s ~= 0 and delay_s or nil,
      start_offset_s = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS"),
      play_rate = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE"),
      stretch_markers = reaper.GetTakeNumStretchMarkers(take),
      sources = chain,
      picture_key = key_of_chain(chain),
    }
  end

  -- The recipes of those takes of an item that are stems.
  local function list_recipes(item)
    local recipes = json.array()
    for index = 0, reaper.CountTakes(item) - 1 do
      local take = reaper.GetTake(item, index)
      if take then
        local recipe = read_recipe(take)
        if recipe ~= "" then recipes[#recipes + 1] = recipe end
      end
    end
    return recipes
  end

  local function describe_track(track)
    local _, guid = reaper.GetSetMediaTrackInfo_String(track, "GUID", "", false)
    local _, name = reaper.GetSetMediaTrackInfo_String(track, "P_NAME", "", false)
    return {
      guid = guid,
      name = name,
      number = math.floor(reaper.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER")),
      muted = reaper.GetMediaTrackInfo_Value(track, "B_MUTE") ~= 0,
    }
  end

  -- Whether an item is not seen: muted, or on a fixed lane (REAPER 7) that does not play. Older versions have no such lanes.
  local function is_hidden(item)
    if reaper.GetMediaItemInfo_Value(item, "B_MUTE") ~= 0 then return true end
    local track = reaper.GetMediaItem_Track(item)
    return reaper.GetMediaTrackInfo_Value(track, "I_FREEMODE") == FIXED_LANES
      and reaper.GetMediaItemInfo_Value(item, "C_LANEPLAYS") == 0
  end

  -- One item as it is now; `active_take` is a list of one, or of none for an empty item or an empty take lane.
  function snapshot.describe_item(item)
    local _, guid = reaper.GetSetMediaItemInfo_String(item, "GUID", "", false)
    local take = reaper.GetActiveTake(item)
    return {
      guid = guid,
      track = describe_track(reaper.GetMediaItem_Track(item)),
      position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
      length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
      loops = reaper.GetMediaItemInfo_Value(item, "B_LOOPSRC") ~= 0,
      muted = is_hidden(item),
      num_takes = reaper.CountTakes(item),
      active_take = json.array({ take and describe_take(take) }),
      recipes = list_recipes(item),
    }
  end

  local function list_items(proj, is_wanted)
    local items = {}
    for index = 0, reaper.CountMediaItems(proj) - 1 do
      local item = reaper.GetMediaItem(proj, index)
      if is_wanted(item) then items[#items + 1] = item end
    end
    return items
  end

  local function describe_items(proj, is_wanted)
    local items = json.array()
    for index, item in ipairs(list_items(proj, is_wanted)) do
      items[index] = snapshot.describe_item(item)
    end
    return items
  end

  local function has_picture(item)
    local take = reaper.GetActiveTake(item)
    for _, source in ipairs(describe_source(take)) do
      if source.type == "VIDEO" then return true end
    end
    return false
  end

  function snapshot.list_picture_items(proj)
    return list_items(proj, has_picture)
  end

  -- A stem that is anchored to a picture, as it lies now. `picture_exists` says whether the item that it was made for is in
  -- the project, whatever that shows.
  local function describe_stem(item, values, anchor_text, picture_exists)
    local num_stretch_markers, takes = 0, json.array()
    for index = 0, reaper.CountTakes(item) - 1 do
      local each = reaper.GetTake(item, index)
      if each then
        num_stretch_markers = num_stretch_markers + reaper.GetTakeNumStretchMarkers(each)
        takes[#takes + 1] = describe_take(each)
      end
    end
    return {
      guid = native.item_guid(item),
      anchor = anchor_text,
      picture_exists = picture_exists,
      position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
      length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
      volume = reaper.GetMediaItemInfo_Value(item, "D_VOL"),
      loops = reaper.GetMediaItemInfo_Value(item, "B_LOOPSRC") ~= 0,
      muted = reaper.GetMediaItemInfo_Value(item, "B_MUTE") ~= 0,
      locked = native.is_locked(item),
      picture_guid = values.picture.item_guid,
      stretch_markers = num_stretch_markers,
      active_take = describe_take(reaper.GetActiveTake(item)),
      takes = takes,
      recipes = list_recipes(item),
    }
  end

  -- The stems of a project that `is_wanted`, and a set of the GUIDs of their pictures.
  local function describe_anchored_stems(proj, is_wanted)
    local stems, guids, pictures = json.array(), {}, {}
    local items = list_items(proj, reaper.GetActiveTake)
    for _, item in ipairs(items) do guids[native.item_guid(item)] = true end
    for _, item in ipairs(items) do
      local values, text = anchor.read(item)
      if values and is_wanted(item) then
        local guid = values.picture.item_guid
        stems[#stems + 1] = describe_stem(item, values, text, guids[guid] == true)
        pictures[guid] = true
      end
    end
    return stems, pictures
  end

  -- REAPER from about 7.62: objects with hidden ones among them.
  local function describe_region_objects(proj)
    local regions = json.array()
    for index = 0, reaper.GetNumRegionsOrMarkers(proj) - 1 do
      local object = reaper.GetRegionOrMarker(proj, index, "")
      local function value(name) return reaper.GetRegionOrMarkerInfo_Value(proj, object, name) end
      if value("B_HIDDEN") == 0 then
        local _, name = reaper.GetSetRegionOrMarkerInfo_String(proj, object, "P_NAME", "", false)
        regions[#regions + 1] = {
          is_region = value("B_ISREGION") ~= 0,
          name = name,
          number = math.floor(value("I_NUMBER")),
          start_s = value("D_STARTPOS"),
          end_s = value("D_ENDPOS"),
        }
      end
    end
    return regions
  end

  local function describe_regions(proj)
    if reaper.APIExists("GetNumRegionsOrMarkers") then
      return describe_region_objects(proj)
    end
    local regions = json.array()
    local index = 0
    while true do
      local next_index, is_region, start, stop, name, number = reaper.EnumProjectMarkers3(proj, index)
      if next_index == 0 then return regions end
      regions[#regions + 1] = {
        is_region = is_region, name = name, number = number, start_s = start, end_s = is_region and stop or start,
      }
      index = next_index
    end
  end

  local function describe_project(proj)
    local frame_rate, is_drop_frame = reaper.TimeMap_curFrameRate(proj)
    local uses_rate = reaper.GetSetProjectInfo(proj, "PROJECT_SRATE_USE", 0, false) ~= 0
    return {
      id = project.identity(proj),
      path = project.file_path(proj) or "",
      name = project.display_name(proj),
      frame_rate_hz = frame_rate,
      is_drop_frame = is_drop_frame,
      start_offset_s = reaper.GetProjectTimeOffset(proj, false),
      sample_rate_hz = uses_rate and reaper.GetSetProjectInfo(proj, "PROJECT_SRATE", 0, false) or 0,
    }
  end

  local function build(proj, items, regions)
    return {
      schema = "selva.snapshot/1",
      host = "reaper",
      host_version = reaper.GetAppVersion(),
      project = describe_project(proj),
      items = items,
      regions = regions,
    }
  end

  -- The selected items, whatever they hold: the bridge refuses by name those without a picture.
  function snapshot.of_selected_items(proj)
    return build(proj, describe_items(proj, reaper.IsMediaItemSelected), json.array())
  end

  -- The time selection in seconds, or nil where there is none.
  function snapshot.time_selection(proj)
    local start_s, end_s = reaper.GetSet_LoopTimeRange2(proj, false, false, 0, 0, false)
    if end_s <= start_s then return nil end
    return { start_s = start_s, end_s = end_s }
  end

  -- The selected items and the time selection. Earlier bridges refuse that field, so it is written for this action only.
  function snapshot.of_time_selection(proj)
    local described = snapshot.of_selected_items(proj)
    described.time_selection = snapshot.time_selection(proj)
    return described
  end

  -- All items with a picture, and all regions and markers.
  function snapshot.of_regions(proj)
    return build(proj, describe_items(proj, has_picture), describe_regions(proj))
  end

  -- What lies on the stem tracks: the panel says what of it is in the way of what it would place.
  local function describe_stems(proj)
    local stems = json.array()
    for _, track in ipairs(tracks.list_stem_tracks(proj)) do
      for index = 0, reaper.CountTrackMediaItems(track) - 1 do
        local item = reaper.GetTrackMediaItem(track, index)
        local _, guid = reaper.GetSetMediaItemInfo_String(item, "GUID", "", false)
        local take = reaper.GetActiveTake(item)
        local source = take and reaper.GetMediaItemTake_Source(take)
        stems[#stems + 1] = {
          guid = guid,
          track = tracks.sound_name(track),
          name = take and select(2, reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", "", false)) or "",
          file = source and native.source_file(source) or "",
          position_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION"),
          length_s = reaper.GetMediaItemInfo_Value(item, "D_LENGTH"),
        }
      end
    end
    return stems
  end

  -- The picture items of a project for the panel, with all regions and markers, and the stems that lie there.
  local function build_for_panel(proj, items)
    local described = build(proj, items, describe_regions(proj))
    described.stems = describe_stems(proj)
    return described
  end

  -- Whether a project has stems that are anchored to a picture.
  function snapshot.has_stems(proj)
    return #list_items(proj, anchor.read) > 0
  end

  -- All items with a picture, all stems, and `last_render_text`, the cut as it was (last_render.lua).
  function snapshot.of_cut(proj, last_render_text)
    local described = build(proj, describe_items(proj, has_picture), json.array())
    described.anchored_stems = describe_anchored_stems(proj, function() return true end)
    described.last_render = last_render_text
    return described
  end

  -- The selected stems with their pictures, and the time selection where there is one.
  function snapshot.of_extension(proj)
    local stems, pictures = describe_anchored_stems(proj, reaper.IsMediaItemSelected)
    local function is_picture(item) return pictures[native.item_guid(item)] and has_picture(item) end
    local described = build(proj, describe_items(proj, is_picture), json.array())
    described.anchored_stems = stems
    described.time_selection = snapshot.time_selection(proj)
    return described
  end

  -- What the panel is opened for, and its name: the selected items with a picture ("selection"), else those in the time
  -- selection ("marks"), else all of them ("timeline"); with all regions and markers.
  function snapshot.for_panel(proj)
    local function is_selected(item) return reaper.IsMediaItemSelected(item) and has_picture(item) end
    local items = describe_items(proj, is_selected)
    if #items > 0 then return build_for_panel(proj, items), "selection" end
    local first_s, last_s = reaper.GetSet_LoopTimeRange2(proj, false, false, 0, 0, false)
    if last_s <= first_s then return build_for_panel(proj, describe_items(proj, has_picture)), "timeline" end
    local function is_between(item)
      local start_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      local end_s = start_s + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
      return start_s < last_s and end_s > first_s and has_picture(item)
    end
    return build_for_panel(proj, describe_items(proj, is_between)), "marks"
  end

  -- The prompt that the active takes of all selected stems have in common, or "" when they differ.
  function snapshot.common_prompt(proj)
    local common
    for index = 0, reaper.CountMediaItems(proj) - 1 do
      local item = reaper.GetMediaItem(proj, index)
      local take = reaper.IsMediaItemSelected(item) and reaper.GetActiveTake(item)
      local recipe = take and json.decode(read_recipe(take))
      if type(recipe) == "table" then
        if common and common ~= recipe.prompt then return "" end
        common = recipe.prompt
      end
    end
    return type(common) == "string" and common or ""
  end

  -- How many items are selected, and how many of those are our stems.
  function snapshot.count_selected(proj)
    local num_items, num_stems = 0, 0
    for index = 0, reaper.CountMediaItems(proj) - 1 do
      local item = reaper.GetMediaItem(proj, index)
      if reaper.IsMediaItemSelected(item) then
        num_items = num_items + 1
        if #list_recipes(item) > 0 then num_stems = num_stems + 1 end
      end
    end
    return num_items, num_stems
  end

  return snapshot
end
