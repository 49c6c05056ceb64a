"""What readers and writers of timeline files are told besides the path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.media import MediaInfo
from selva_otio.formats.profiles import PLAIN, HostProfile

ProbeMedia = Callable[[Path], MediaInfo | None]
"""Asks a media file; None for what is none."""


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a timeline file itself may not tell.

    frame_rate: of an EDL. media_folders: where media is looked for by name when it is not where the timeline says,
    or when the timeline does not say. probe: asks media; without it, an EDL's media is
    taken to begin at the source timecode zero.
    """

    frame_rate: Fraction | None = None
    media_folders: Sequence[Path] = ()
    probe: ProbeMedia | None = None


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a timeline is written, and for whom. base_folder: where its relative media URLs start."""

    target: Path
    base_folder: Path
    profile: HostProfile = PLAIN
