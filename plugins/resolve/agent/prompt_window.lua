-- The window that asks for prompts, where Resolve lets scripts open windows.

local api = import("resolve_api")
local messages = import("messages")

local PROMPTS_PREFERENCE = "Global.Selva.Prompts"
local MAX_TAKES = 16

-- Windows exist on Studio, and on Free up to 19.0; from 19.1 on Free answers them with a sales dialog.
local function can_open()
    return not api.is_sandboxed() and api.FUSION ~= nil and (api.is_studio() or not api.is_at_least(19, 1))
end

local function build_window(dispatcher, ui, prompts)
    return dispatcher:AddWindow({ ID = "Selva", WindowTitle = "Selva", Geometry = { 300, 300, 520, 300 } },
        ui:VGroup({
            ui:Label({ Text = "One line per stem track, for instance\nDog: small dog barking\n"
                .. "Leave it empty to use markers and the cue sheet." }),
            ui:TextEdit({ ID = "Prompts", PlainText = prompts }),
            ui:HGroup({ ui:Label({ Text = "Takes" }),
                ui:SpinBox({ ID = "Takes", Value = 1, Minimum = 1, Maximum = MAX_TAKES }) }),
            ui:CheckBox({ ID = "Replaces", Text = "Replace earlier stems in the same place" }),
            ui:HGroup({ ui:Button({ ID = "Cancel", Text = "Cancel" }), ui:Button({ ID = "Generate", Text = "Generate" }) }),
        }))
end

-- Asks for "Track: prompt" lines. Returns { prompts, takes, replaces }, an empty table where no window can be had, or nil
-- when it was closed. The prompts are kept as hex: Fusion's preferences keep ASCII only.
local function ask()
    if not can_open() then return {} end
    local ui = api.FUSION.UIManager
    if not ui or not bmd.UIDispatcher then return {} end
    local dispatcher = bmd.UIDispatcher(ui)
    local before = messages.from_hex(tostring(api.FUSION:GetPrefs(PROMPTS_PREFERENCE) or ""))
    local window = build_window(dispatcher, ui, before)
    local answer
    local items = window:GetItems()
    function window.On.Generate.Clicked()
        answer = { prompts = items.Prompts.PlainText, takes = items.Takes.Value,
            replaces = items.Replaces.Checked == true }
        dispatcher:ExitLoop()
    end
    function window.On.Cancel.Clicked() dispatcher:ExitLoop() end
    function window.On.Selva.Close() dispatcher:ExitLoop() end
    window:Show()
    dispatcher:RunLoop()
    window:Hide()
    if answer and answer.prompts ~= before then
        api.FUSION:SetPrefs(PROMPTS_PREFERENCE, messages.to_hex(answer.prompts))
        api.FUSION:SavePrefs()
    end
    return answer
end

return { ask = ask }
