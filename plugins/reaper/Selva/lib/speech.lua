-- For users who hear the screen: OSARA, REAPER's screen reader extension, speaks what the window shows. Without it nothing
-- here does anything. One message interrupts the one before, so what belongs together is said at once.

return function()
  local speech = {}

  local heard = {} -- key -> the news that was said last

  -- Says texts as sentences.
  function speech.say(...)
    if not reaper.osara_outputMessage then return end
    local sentences = { ... }
    for index, text in ipairs(sentences) do sentences[index] = text:gsub("%.$", "") end
    reaper.osara_outputMessage(table.concat(sentences, ". "))
  end

  -- Says what is new in `news`, a list of {key, text}.
  function speech.say_news(news)
    local fresh = {}
    for _, piece in ipairs(news) do
      if heard[piece.key] ~= piece.text then
        heard[piece.key] = piece.text
        fresh[#fresh + 1] = piece.text
      end
    end
    if #fresh > 0 then speech.say(table.unpack(fresh)) end
  end

  return speech
end
