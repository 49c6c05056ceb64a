"""What readers and writers of timeline files need besides the path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.picture.media_probe import ProbeMedia


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a timeline file may leave out.

    frame_rate: frames per second of an EDL, which does not name its rate. media_folders: where media is searched by file
    name when it is not at its URL, or has none. probe: reads the start timecode of media; without it the media of an EDL is
    taken to start at timecode 00:00:00:00.
    """

    frame_rate: Fraction | None = None
    media_folders: Sequence[Path] = ()
    probe: ProbeMedia | None = None


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a timeline is written, and for which host.

    base_folder: where its relative media URLs start. merge_plan: as the format's `plan_merge` found it; a writer that is given
    none looks for itself.
    """

    target: Path
    base_folder: Path
    profile: HostProfile = PLAIN
    merge_plan: object | None = None
