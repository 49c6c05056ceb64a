"""ReaImGui, as far as the sound list uses it: windows that pair Begin and End, text boxes, buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .table import Signature

if TYPE_CHECKING:
    from .world import World

IMGUI_FOLDER = Path(__file__).with_name("imgui")

_CONTEXT = "ImGui_Context"
_ARGUMENTS = {
    "GetBuiltinPath": [],
    "CreateContext": ["string"],
    "SetNextWindowSize": [_CONTEXT, "number", "number", "integer?"],
    "Begin": [_CONTEXT, "string", "boolean?", "integer?"],
    "End": [_CONTEXT],
    "Text": [_CONTEXT, "string"],
    "InputText": [_CONTEXT, "string", "string", "integer?"],
    "InputTextMultiline": [_CONTEXT, "string", "string", "number?", "number?", "integer?"],
    "SetNextItemWidth": [_CONTEXT, "number"],
    "Separator": [_CONTEXT],
    "SameLine": [_CONTEXT],
    "Button": [_CONTEXT, "string"],
}
_RETURNS = {
    "GetBuiltinPath": ["string"],
    "CreateContext": [_CONTEXT],
    "Begin": ["boolean", "boolean"],
    "InputText": ["boolean", "string"],
    "InputTextMultiline": ["boolean", "string"],
    "Button": ["boolean"],
}

IMGUI_SIGNATURES = {
    f"ImGui_{name}": Signature(
        name=f"ImGui_{name}",
        arguments=tuple(arguments),
        returns=tuple(_RETURNS.get(name, [])),
        since=(6, 0),
    )
    for name, arguments in _ARGUMENTS.items()
}


@dataclass
class ImGuiWindow:
    """The window of one script. Tests fill `typed` (label -> text) and `pressed`, or set `is_open` to False."""

    title: str = ""
    is_open: bool = True
    is_inside: bool = False
    typed: dict[str, str] = field(default_factory=dict)
    pressed: str = ""
    shown: dict[str, str] = field(default_factory=dict)

    def call(self, world: World, name: str, arguments: list[Any]) -> Any:
        if name in ("ImGui_GetBuiltinPath", "ImGui_CreateContext"):
            return str(IMGUI_FOLDER) if name == "ImGui_GetBuiltinPath" else self
        _, *rest = arguments
        if name == "ImGui_Begin":
            self.title, self.is_inside = rest[0], True
            return True, self.is_open
        if name == "ImGui_SetNextWindowSize":
            return None
        if not self.is_inside:
            world.record_violation(f"{name}: only between Begin and End")
        if name == "ImGui_End":
            self.is_inside = False
        if name in ("ImGui_InputText", "ImGui_InputTextMultiline"):
            label, text = rest[0], self.typed.pop(rest[0], rest[1])
            self.shown[label] = text
            return text != rest[1], text
        if name == "ImGui_Button" and self.pressed == rest[0]:
            self.pressed = ""
            return True
        return False if name == "ImGui_Button" else None
