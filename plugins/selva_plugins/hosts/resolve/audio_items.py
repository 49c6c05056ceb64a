"""What lies on the audio tracks of a Resolve timeline: anything that may be in the way of stems, and the stems themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_plugins.hosts.resolve.json_fields import JsonFields


@dataclass(frozen=True, kw_only=True)
class ResolveSound:
    """Something on an audio track: stems are not made from it, but may be placed where it lies."""

    name: str
    start_frame: int
    duration_frames: int

    @property
    def end_frame(self) -> int:
        return self.start_frame + self.duration_frames


@dataclass(frozen=True, kw_only=True)
class ResolveAudioTrack:
    """An audio track."""

    name: str
    is_enabled: bool = True
    is_locked: bool = False
    sounds: tuple[ResolveSound, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ResolveStem:
    """A stem of ours on an audio track, which is counted from 1. left_offset_frames: how far into its file it begins, in frames
    of the timeline. Fades, volume and pan are None where the version does not tell them.
    """

    id: str
    name: str
    file: Path
    track_name: str
    track_index: int
    is_track_locked: bool
    is_track_enabled: bool
    is_enabled: bool
    start_frame: int
    duration_frames: int
    left_offset_frames: Fraction
    fade_in_frames: int | None
    fade_out_frames: int | None
    volume_db: Fraction | None
    pan: Fraction | None

    @property
    def is_heard(self) -> bool:
        return self.is_track_enabled and self.is_enabled


def read_audio_tracks(fields: JsonFields) -> tuple[ResolveAudioTrack, ...]:
    return tuple(
        ResolveAudioTrack(
            name=track.text("name"),
            is_enabled=track.flag("enabled", default=True),
            is_locked=track.flag("locked", default=False),
            sounds=tuple(
                ResolveSound(
                    name=sound.text("name"),
                    start_frame=sound.required_integer("start"),
                    duration_frames=sound.required_integer("duration"),
                )
                for sound in track.children("items")
                # What a version does not tell the place of cannot be in the way of anything that is known.
                if sound.integer("start") is not None and sound.integer("duration") is not None
            ),
        )
        for track in fields.children("audio_tracks")
    )


def iter_stems(fields: JsonFields, files: Mapping[str, Path]) -> Iterator[ResolveStem]:
    """Items of audio tracks that the agent described as stems; earlier agents describe none so. files: of media, by their id."""
    for index, track in enumerate(fields.children("audio_tracks"), start=1):
        for item in track.children("items"):
            file = files.get(item.text("media"))
            if file is None or not item.text("id"):
                continue
            yield ResolveStem(
                id=item.text("id"),
                name=item.text("name"),
                file=file,
                track_name=track.text("name"),
                track_index=index,
                is_track_enabled=track.flag("enabled", default=True),
                is_track_locked=track.flag("locked", default=False),
                is_enabled=item.flag("enabled", default=True),
                start_frame=item.required_integer("start"),
                duration_frames=item.required_integer("duration"),
                left_offset_frames=item.number("left_offset") or Fraction(0),
                fade_in_frames=item.integer("fade_in"),
                fade_out_frames=item.integer("fade_out"),
                volume_db=item.number("volume_db"),
                pan=item.number("pan"),
            )
