"""What stems would be placed over, from what the host had on its timeline when the panel was opened and what the panel has placed
since. Sentences for the table of what goes where; the scripts decide by the timeline as it is when they place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selva_otio import TimelineClock
from selva_plugins.hosts.reaper.snapshot import ReaperStemItem
from selva_plugins.hosts.resolve.audio_items import ResolveAudioTrack, ResolveSound
from selva_plugins.hosts.resolve.plan_schema import PlanStem

SAME_S = 1e-6
"""REAPER's scripts count items that touch within this as apart."""


def describe_reaper_conflict(entry: Mapping[str, Any], stems: Sequence[ReaperStemItem]) -> str | None:
    """What lies where an entry of a plan goes; None where nothing does. REAPER's scripts use stem tracks of their own only."""
    start_s, end_s = entry["start_s"], entry["start_s"] + entry["length_s"]
    there = [
        stem
        for stem in stems
        if stem.track == entry["stem_track"]
        and stem.position_s < end_s - SAME_S
        and stem.position_s + stem.length_s > start_s + SAME_S
    ]
    if not there:
        return None
    file = entry["takes"][0]["file"]
    if any(Path(stem.file) == Path(file) and abs(stem.position_s - start_s) < SAME_S for stem in there):
        return "lies there already, and is not placed twice"
    names = ", ".join(dict.fromkeys(f"“{stem.name}”" for stem in there))
    return (
        f"{names} lies there on {entry['stem_track']} and stays; this one goes to a second track of that name"
    )


@dataclass(frozen=True, kw_only=True)
class AudioTracks:
    """The audio tracks of a timeline of Resolve. start_frame: the timeline's first."""

    tracks: tuple[ResolveAudioTrack, ...]
    start_frame: int
    clock: TimelineClock

    def describe_conflict(self, stem: PlanStem) -> str | None:
        """What lies where a stem goes, and what becomes of both; None where its track is free or is made for it."""
        named = {
            track.name: track for track in reversed(self.tracks)
        }  # of namesakes the first, as placement takes it
        track = named.get(stem.track)
        if track is None:
            return None
        first, last = stem.record_frame, stem.record_frame + stem.duration_frames
        there = [sound for sound in track.sounds if sound.start_frame < last and first < sound.end_frame]
        elsewhere = f"this one goes to “{_free_name(named, stem, first, last)}”"
        if track.is_locked:
            return f"{track.name} is locked; {elsewhere}"
        if not there:
            return None if track.is_enabled or stem.is_muted else f"{track.name} is switched off; {elsewhere}"
        sound = there[0]
        if (sound.start_frame, sound.end_frame) == (first, last):
            if sound.name == Path(stem.file).name:
                return "lies there already, and is not placed twice"
            return (
                f"“{sound.name}” lies there; it gives way if it is an earlier stem that nobody has changed, "
                f"otherwise {elsewhere}"
            )
        return (
            f"“{sound.name}” lies there on {track.name} from {self._timecode(sound)} and stays; {elsewhere}"
        )

    def with_sounds(self, placed: Mapping[str, Sequence[ResolveSound]]) -> AudioTracks:
        """These tracks and what was placed since, by the names of tracks."""
        known = {track.name for track in self.tracks}
        made = [ResolveAudioTrack(name=name) for name in placed if name not in known]
        return replace(
            self,
            tracks=tuple(
                replace(track, sounds=(*track.sounds, *placed.get(track.name, ())))
                for track in (*self.tracks, *made)
            ),
        )

    def _timecode(self, sound: ResolveSound) -> str:
        frames = sound.start_frame - self.start_frame
        return self.clock.timecode(frames / self.clock.frame_rate_hz)


def _free_name(named: Mapping[str, ResolveAudioTrack], stem: PlanStem, first: int, last: int) -> str:
    """As placement counts on: "Dog 2", "Dog 3"."""
    number = 2
    while (track := named.get(f"{stem.track} {number}")) is not None:
        is_taken = any(sound.start_frame < last and first < sound.end_frame for sound in track.sounds)
        if not (track.is_locked or is_taken):
            break
        number += 1
    return f"{stem.track} {number}"
