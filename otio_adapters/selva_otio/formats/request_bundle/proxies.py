"""Proxies in a bundle: the picture of each clip in the small size that models look at, so that the media need not travel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from selva_otio.cues.cue_sheet import CueSheet, SpottedClip

PROXIES_FOLDER = "pictures"
"""As selva.bundle/1 names it."""


def find_proxy_path(clip: SpottedClip, folder: Path) -> Path:
    """Where a bundle has the proxy of a clip, handles included.

    Its name is a hash of what it shows: a clip that was changed since has another name, so a proxy is never out of date.
    """
    identity = (
        clip.media_path.name,
        clip.record_start_s,
        clip.sound_media_start_s,
        clip.sound_duration_s,
        clip.speed,
    )
    digest = hashlib.sha256("\n".join(map(str, identity)).encode()).hexdigest()[:16]
    return folder / PROXIES_FOLDER / f"{digest}.mp4"


def use_proxies(sheet: CueSheet, folder: Path) -> CueSheet:
    """The cue sheet with the proxies that the bundle has."""
    if not (folder / PROXIES_FOLDER).is_dir():
        return sheet
    clips_with_proxy: Mapping[SpottedClip, SpottedClip] = {
        clip: replace(clip, proxy_path=path)
        for clip in sheet.clips
        if not (path := find_proxy_path(clip, folder)).is_symlink() and path.is_file()
    }
    cues = tuple(replace(cue, clip=clips_with_proxy.get(cue.clip, cue.clip)) for cue in sheet.cues)
    return replace(sheet, cues=cues)
