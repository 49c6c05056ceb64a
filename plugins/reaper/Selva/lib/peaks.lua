-- Builds the waveforms (peaks) of placed stems, a slice per defer cycle, so that REAPER stays usable.

return function(selva)
  local native = selva.import("native")

  local peaks = {}

  local BEGIN, CONTINUE, FINISH = 0, 1, 2
  local waiting = {}
  local current

  function peaks.add(sources)
    if not native.can_build_peaks() then return end
    for _, source in ipairs(sources) do
      waiting[#waiting + 1] = source
    end
  end

  function peaks.is_busy()
    return current ~= nil or #waiting > 0
  end

  function peaks.step()
    if current then
      if not reaper.ValidatePtr2(0, current, "PCM_source*") then
        current = nil
      elseif reaper.PCM_Source_BuildPeaks(current, CONTINUE) == 0 then
        reaper.PCM_Source_BuildPeaks(current, FINISH)
        current = nil
        reaper.UpdateArrange()
      end
      return
    end
    local source = table.remove(waiting, 1)
    if source and reaper.ValidatePtr2(0, source, "PCM_source*") and reaper.PCM_Source_BuildPeaks(source, BEGIN) ~= 0 then
      current = source
    end
  end

  return peaks
end
