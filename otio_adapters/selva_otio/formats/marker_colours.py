"""The marker colours that OpenTimelineIO names, as hosts show them."""

from __future__ import annotations

from collections.abc import Mapping

MARKER_COLOURS: Mapping[str, tuple[int, int, int]] = {
    "PINK": (255, 128, 192),
    "RED": (255, 0, 0),
    "ORANGE": (255, 128, 0),
    "YELLOW": (255, 255, 0),
    "GREEN": (0, 255, 0),
    "CYAN": (0, 255, 255),
    "BLUE": (0, 0, 255),
    "PURPLE": (128, 0, 255),
    "MAGENTA": (255, 0, 255),
    "BLACK": (0, 0, 0),
    "WHITE": (255, 255, 255),
}
"""Name to red, green and blue, 0..255."""
