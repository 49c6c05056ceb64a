-- What REAPER runs when it starts, through the line that `selva host install reaper --startup` puts into __startup.lua:
-- opens the window when an open project has stems that were requested before REAPER was closed; otherwise does nothing.

return function(selva)
  local bridge = selva.import("bridge")
  local watcher = selva.import("watcher")

  local startup = {}

  -- REAPER opens the projects of the last session after it has run that file.
  local SETTLE_S = 3

  function startup.run()
    local config = bridge.load_config()
    if not config then return end -- each action explains that; a message at every start would be in the way
    local began_s = reaper.time_precise()
    local function check_offers()
      if reaper.time_precise() - began_s < SETTLE_S then
        reaper.defer(check_offers)
      elseif watcher.has_offers(config) then
        watcher.run(config, {})
      end
    end
    reaper.defer(check_offers)
  end

  return startup
end
