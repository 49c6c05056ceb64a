"""The small pictures a bundle may carry: one movie per run of picture, as it is seen, for models to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from selva_otio.cues.cue_sheet import CueSheet, SpottedClip

PICTURES_FOLDER = "pictures"


def picture_path(clip: SpottedClip, folder: Path) -> Path:
    """Where a bundle keeps what a clip shows, handles included; named after what it is, so it is never out of date."""
    facts = (
        clip.media_path.name,
        clip.record_start_s,
        clip.sound_media_start_s,
        clip.sound_duration_s,
        clip.speed,
    )
    digest = hashlib.sha256("\n".join(map(str, facts)).encode()).hexdigest()[:16]
    return folder / PICTURES_FOLDER / f"{digest}.mp4"


def with_pictures(sheet: CueSheet, folder: Path) -> CueSheet:
    """The cue sheet with the bundle's pictures as stand-ins where there are some."""
    if not (folder / PICTURES_FOLDER).is_dir():
        return sheet
    stand_ins: Mapping[SpottedClip, SpottedClip] = {
        clip: replace(clip, proxy_path=path)
        for clip in sheet.clips
        if not (path := picture_path(clip, folder)).is_symlink() and path.is_file()
    }
    cues = tuple(replace(cue, clip=stand_ins.get(cue.clip, cue.clip)) for cue in sheet.cues)
    return replace(sheet, cues=cues)
