-- Speech for users of a screen reader, through OSARA, REAPER's accessibility extension; without it nothing here does
-- anything. A message interrupts the one before, so everything that belongs together goes into one message.

return function()
  local speech = {}

  local spoken = {} -- key -> the announcement that was spoken last

  -- Speaks texts as sentences of one message.
  function speech.say(...)
    if not reaper.osara_outputMessage then return end
    local sentences = { ... }
    for index, text in ipairs(sentences) do sentences[index] = text:gsub("%.$", "") end
    reaper.osara_outputMessage(table.concat(sentences, ". "))
  end

  -- Speaks those of `announcements`, a list of {key, text}, whose text is another than last time.
  function speech.say_changes(announcements)
    local changed = {}
    for _, announcement in ipairs(announcements) do
      if spoken[announcement.key] ~= announcement.text then
        spoken[announcement.key] = announcement.text
        changed[#changed + 1] = announcement.text
      end
    end
    if #changed > 0 then speech.say(table.unpack(changed)) end
  end

  return speech
end
