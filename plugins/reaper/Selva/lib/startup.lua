-- What REAPER runs when it starts, through the line that `selva host install reaper --startup` puts into __startup.lua:
-- opens the window when a project is open whose stems were asked for before REAPER was closed; otherwise does nothing.

return function(selva)
  local bridge = selva.import("bridge")
  local watcher = selva.import("watcher")

  local startup = {}

  -- REAPER opens the last projects after it has run that file.
  local SETTLE_S = 3

  function startup.run()
    local config = bridge.load_config()
    if not config then return end -- every action says so; not every start
    local began_s = reaper.time_precise()
    local function look()
      if reaper.time_precise() - began_s < SETTLE_S then
        reaper.defer(look)
      elseif watcher.has_offers(config) then
        watcher.run(config, {})
      end
    end
    reaper.defer(look)
  end

  return startup
end
