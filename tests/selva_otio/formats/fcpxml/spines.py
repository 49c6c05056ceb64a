"""FCPXML around a spine, and the shots that are read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import opentimelineio as otio

from selva_otio import load_timeline
from tests.selva_otio.round_trips import seen, spot

RESOURCES = """
<format id="r1" name="FFVideoFormat1080p24" frameDuration="100/2400s" width="1920" height="1080"/>
<asset id="a" name="a.mov" start="3600s" duration="100s" hasVideo="1" hasAudio="1" format="r1">
  <media-rep kind="proxy-media" src="file:///proxy/a.mov"/>
  <media-rep kind="original-media" src="file:///media/a%20b.mov"/></asset>
<asset id="b" name="b.mov" start="0s" duration="50s" hasVideo="1" format="r1" src="file:///media/b.mov"/>
<asset id="w" name="w.wav" start="0s" duration="60s" hasAudio="1"><media-rep src="file:///media/w.wav"/></asset>
<effect id="t" name="Basic Title" uid="x"/>
"""


def load(
    folder: Path, spine: str, *, resources: str = "", sequence: str = 'tcStart="0s"', frames: str = "r1"
) -> otio.schema.Timeline:
    path = folder / "cut.fcpxml"
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE fcpxml><fcpxml version="1.9"><resources>'
        f'{RESOURCES}{resources}</resources><library><event><project name="P"><sequence format="{frames}" {sequence}>'
        f"<spine>{spine}</spine></sequence></project></event></library></fcpxml>",
        encoding="utf-8",
    )
    return load_timeline(path)


def shots(timeline: otio.schema.Timeline) -> list[tuple[Any, ...]]:
    """Name, record start, duration, offset in the file and speed of what is seen."""
    return [
        (name, start, length, media, speed)
        for name, _, start, length, media, speed, _ in seen(spot(timeline))
    ]
