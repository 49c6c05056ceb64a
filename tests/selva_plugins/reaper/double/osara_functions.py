"""OSARA, the screen reader extension, as far as scripts use it: one function that speaks a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .table import Signature

if TYPE_CHECKING:
    from .world import World

OSARA_SIGNATURES = {
    "osara_outputMessage": Signature(
        name="osara_outputMessage", arguments=("string",), returns=(), since=(6, 0)
    )
}


def say(world: World, text: str) -> None:
    world.spoken.append(text)
