-- The folder "Selva" and the stem tracks in it, recognised by a mark in the track itself (P_EXT), so that a renamed or moved
-- track is still ours and a user's own track called "Dog" is never used. The marks lie in projects of earlier versions.
--
-- Every change is entered in `journal`, a list of functions that revert it, so that a failed placement leaves nothing.

return function(selva)
  local native = selva.import("native")

  local tracks = {}

  local FOLDER_NAME = "Selva"
  local FOLDER_MARK = "P_EXT:selva_folder"
  local STEM_MARK = "P_EXT:selva_track" -- holds the name that the user gave the sound

  -- Items that touch within less than this do not overlap.
  local TOUCHING_S = 1e-6

  local function read_mark(track, mark)
    local _, text = reaper.GetSetMediaTrackInfo_String(track, mark, "", false)
    return text
  end

  local function read_depth(track)
    return math.floor(reaper.GetMediaTrackInfo_Value(track, "I_FOLDERDEPTH"))
  end

  local function write_depth(track, depth, journal)
    local before = read_depth(track)
    if before == depth then return end
    reaper.SetMediaTrackInfo_Value(track, "I_FOLDERDEPTH", depth)
    journal[#journal + 1] = function()
      reaper.SetMediaTrackInfo_Value(track, "I_FOLDERDEPTH", before)
    end
  end

  local function index_of(track)
    return math.floor(reaper.GetMediaTrackInfo_Value(track, "IP_TRACKNUMBER")) - 1
  end

  local function insert(proj, index, name, mark, journal)
    reaper.InsertTrackAtIndex(index, true)
    local track = reaper.GetTrack(proj, index)
    journal[#journal + 1] = function() reaper.DeleteTrack(track) end
    reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
    reaper.GetSetMediaTrackInfo_String(track, mark, name, true)
    return track
  end

  -- The tracks inside a folder track, nested ones too.
  local function list_children(proj, folder)
    local children = {}
    local level = read_depth(folder)
    local index = index_of(folder) + 1
    while level > 0 do
      local track = reaper.GetTrack(proj, index)
      if not track then break end
      children[#children + 1] = track
      level = level + read_depth(track)
      index = index + 1
    end
    return children
  end

  local function find_folder(proj)
    for index = 0, reaper.CountTracks(proj) - 1 do
      local track = reaper.GetTrack(proj, index)
      if read_mark(track, FOLDER_MARK) ~= "" then return track end
    end
    return nil
  end

  -- A new folder below `picture_track` and everything inside that track, with its first stem track. The folder depth of no
  -- user's track changes: where the picture's track is the last of a folder, ours comes after that folder.
  local function add_folder(proj, picture_track, name, journal)
    local index = reaper.CountTracks(proj)
    if picture_track then
      index = index_of(picture_track) + 1 + #list_children(proj, picture_track)
    end
    local folder = insert(proj, index, FOLDER_NAME, FOLDER_MARK, journal)
    local stem_track = insert(proj, index + 1, name, STEM_MARK, journal)
    write_depth(folder, 1, journal)
    write_depth(stem_track, -1, journal)
    return stem_track
  end

  -- A new stem track after `sibling`, or before it when it is a user's own track that ends the folder.
  local function add_after(proj, sibling, name, journal)
    local depth = read_depth(sibling)
    if depth < 0 and read_mark(sibling, STEM_MARK) == "" then
      return insert(proj, index_of(sibling), name, STEM_MARK, journal)
    end
    local track = insert(proj, index_of(sibling) + 1, name, STEM_MARK, journal)
    if depth < 0 then
      write_depth(track, depth, journal)
      write_depth(sibling, 0, journal)
    end
    return track
  end

  -- The first child of a folder whose children were all deleted.
  local function add_only_child(proj, folder, name, journal)
    local track = insert(proj, index_of(folder) + 1, name, STEM_MARK, journal)
    write_depth(track, read_depth(folder) - 1, journal)
    write_depth(folder, 1, journal)
    return track
  end

  local function is_free(track, start_s, end_s)
    for index = 0, reaper.CountTrackMediaItems(track) - 1 do
      local item = reaper.GetTrackMediaItem(track, index)
      local item_start = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
      local item_end = item_start + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
      if item_start < end_s - TOUCHING_S and item_end > start_s + TOUCHING_S then
        return false
      end
    end
    return true
  end

  -- The stem tracks called `name`, or all of them without a name, from top to bottom.
  function tracks.list_stem_tracks(proj, name)
    local found = {}
    local folder = find_folder(proj)
    for _, child in ipairs(folder and list_children(proj, folder) or {}) do
      local mark = read_mark(child, STEM_MARK)
      if mark == name or (name == nil and mark ~= "") then
        found[#found + 1] = child
      end
    end
    return found
  end

  -- The name of the sound that a stem track was made for.
  function tracks.sound_name(track)
    return read_mark(track, STEM_MARK)
  end

  -- The GUIDs of items on stem tracks that lie over another item of their track.
  function tracks.find_overlapping(proj)
    local found = {}
    for _, track in ipairs(tracks.list_stem_tracks(proj)) do
      local items = {}
      for index = 0, reaper.CountTrackMediaItems(track) - 1 do
        local item = reaper.GetTrackMediaItem(track, index)
        local start_s = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
        local end_s = start_s + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
        items[#items + 1] = { guid = native.item_guid(item), start_s = start_s, end_s = end_s }
      end
      table.sort(items, function(one, other) return one.start_s < other.start_s end)
      local last
      for _, item in ipairs(items) do
        if last and item.start_s < last.end_s - TOUCHING_S then
          found[item.guid], found[last.guid] = true, true
        end
        if not last or item.end_s > last.end_s then last = item end
      end
    end
    return found
  end

  -- A stem track called `name` with nothing from start_s to end_s: one that is there, else a new one beside its namesakes.
  -- `picture_track` says where the folder is made when there is none yet (nil: at the end).
  function tracks.ensure_stem_track(proj, name, start_s, end_s, picture_track, journal)
    local folder = find_folder(proj)
    if not folder then
      return add_folder(proj, picture_track, name, journal)
    end
    local namesakes = tracks.list_stem_tracks(proj, name)
    for _, track in ipairs(namesakes) do
      if is_free(track, start_s, end_s) then return track end
    end
    local children = list_children(proj, folder)
    if #children == 0 then
      return add_only_child(proj, folder, name, journal)
    end
    return add_after(proj, namesakes[#namesakes] or children[#children], name, journal)
  end

  return tracks
end
