"""Projects for the double, built the way an editor builds them: media in the pool, clips on tracks."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from tests.selva_plugins.resolve.double import model

RATES = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "50": Fraction(50),
    "59.94": Fraction(60000, 1001),
    "60": Fraction(60),
}


@dataclass
class Scene:
    """A project with one timeline, and methods for putting things on it."""

    project: model.Project
    timeline: model.Timeline
    media: dict[str, model.Media] = field(default_factory=dict)

    def add_media(
        self,
        path: Path | str,
        *,
        fps: Fraction | None = None,
        duration_s: Fraction = Fraction(10),
        start_timecode: str = "00:00:00:00",
        kind: model.MediaKind = "video+audio",
        online: bool = True,
        name: str = "",
    ) -> model.Media:
        media = model.Media(
            name=name or Path(str(path)).name,
            kind=kind,
            fps=fps or self.timeline.rate,
            duration_s=duration_s,
            path=str(path),
            start_timecode=start_timecode,
            online=online,
        )
        self.project.root.media.append(media)
        self.media[media.name] = media
        return media

    def add_clip(
        self,
        media: model.Media | None,
        *,
        at: int,
        frames: int,
        source: Fraction | int = 0,
        track: int = 1,
        speed: Fraction = Fraction(1),
        kind: model.ItemKind = "video",
        name: str = "",
    ) -> model.Item:
        """Put a clip on a video track; `at` counts frames from the timeline's start, `source` the media's
        frames.
        """
        while len(self.timeline.tracks["video"]) < track:
            self.timeline.tracks["video"].append(model.Track("video", f"Video {track}"))
        item = model.Item(
            name=name or (media.name if media else "Title"),
            kind=kind,
            start=self.timeline.start_frame + at,
            duration=frames,
            media=media,
            source_start=Fraction(source),
            speed=speed,
        )
        self.timeline.tracks["video"][track - 1].items.append(item)
        return item

    def add_audio_track(self, name: str, *, sub_type: str = "mono", locked: bool = False) -> model.Track:
        track = model.Track("audio", name, sub_type=sub_type, locked=locked)
        self.timeline.tracks["audio"].append(track)
        return track

    def add_sound(self, track: model.Track, *, at: int, frames: int, name: str = "atmo.wav") -> model.Item:
        media = self.media.get(name) or self.add_media(f"/media/{name}", kind="audio")
        item = model.Item(name, "audio", self.timeline.start_frame + at, frames, media)
        track.items.append(item)
        return item


def build_scene(
    *,
    rate: Fraction = Fraction(24),
    start_timecode: str = "01:00:00:00",
    drop_frame: bool = False,
    project_rate: Fraction | None = None,
    project_name: str = "Feature",
    timeline_name: str = "Reel 1",
) -> Scene:
    """An empty timeline: one video track, one stereo audio track, as Resolve makes it."""
    project = model.Project(project_name, project_rate or rate, drop_frame)
    timeline = model.Timeline(timeline_name, rate, start_timecode, drop_frame)
    project.timelines.append(timeline)
    project.current_timeline = timeline
    return Scene(project, timeline)
