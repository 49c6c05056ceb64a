-- REAPER's functions that changed since 6.0, as they are today.
--
-- Up to 6.36 those that answer with a text take one more argument, a string that they ignore (in C, the buffer). 6.37 is the
-- first version that documents them without it; a version between that already has today's form ignores the argument.

return function()
  local native = {}

  local function is_older(major, minor)
    local own_major, own_minor = reaper.GetAppVersion():match("^(%d+)%.(%d+)")
    own_major, own_minor = tonumber(own_major), tonumber(own_minor)
    return own_major < major or (own_major == major and own_minor < minor)
  end

  local takes_buffer = is_older(6, 37)

  -- "VIDEO", "WAVE", "SECTION" and so on.
  function native.source_type(source)
    if takes_buffer then return reaper.GetMediaSourceType(source, "") end
    return reaper.GetMediaSourceType(source)
  end

  function native.source_file(source)
    if takes_buffer then return reaper.GetMediaSourceFileName(source, "") end
    return reaper.GetMediaSourceFileName(source)
  end

  -- The name of the project's file, "" for one that was never saved.
  function native.project_name(proj)
    if takes_buffer then return reaper.GetProjectName(proj, "") end
    return reaper.GetProjectName(proj)
  end

  -- The folder that the project keeps its media in.
  function native.project_media_folder(proj)
    if takes_buffer then return reaper.GetProjectPathEx(proj, "") end
    return reaper.GetProjectPathEx(proj)
  end

  function native.item_guid(item)
    local _, guid = reaper.GetSetMediaItemInfo_String(item, "GUID", "", false)
    return guid
  end

  -- GUID -> item, of a project.
  function native.index_items(proj)
    local by_guid = {}
    for index = 0, reaper.CountMediaItems(proj) - 1 do
      local item = reaper.GetMediaItem(proj, index)
      by_guid[native.item_guid(item)] = item
    end
    return by_guid
  end

  -- Whether an item is locked, which functions of scripts do not heed.
  function native.is_locked(item)
    return math.floor(reaper.GetMediaItemInfo_Value(item, "C_LOCK")) & 1 ~= 0
  end

  -- Points of take envelopes are seconds after the item's start, times the play rate: what is trimmed off before them is
  -- taken from their times. Points that come to lie before the item stay there, so that the curve keeps its shape.
  function native.shift_envelopes(take, shift)
    for index = 0, reaper.CountTakeEnvelopes(take) - 1 do
      local envelope = reaper.GetTakeEnvelope(take, index)
      for point = 0, reaper.CountEnvelopePoints(envelope) - 1 do
        local _, time, value, shape, tension, is_selected = reaper.GetEnvelopePoint(envelope, point)
        reaper.SetEnvelopePoint(envelope, point, time + shift, value, shape, tension, is_selected, true)
      end
      reaper.Envelope_SortPoints(envelope)
    end
  end

  -- A new GUID in braces. The argument is ignored by all versions.
  function native.new_guid()
    return reaper.genGuid("")
  end

  -- Whether scripts can build peaks (from 6.35); before, REAPER builds them itself when it draws an item.
  function native.can_build_peaks()
    return reaper.APIExists("PCM_Source_BuildPeaks")
  end

  return native
end
