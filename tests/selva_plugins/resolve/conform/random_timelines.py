"""Random edits of known truth, done to a timeline of the double and conformed by the plan and the placing over scripting.

The cuts are those of `tests.selva_otio.conform.random_cuts`; the check goes through the frames of the new cut one by one. Stems
say what a render notes in them and hold no sound: what is rendered for the new cut is counted and not made.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from selva_core.audio.metadata import StemTags
from selva_core.audio.wav import write_wave
from selva_core.base.rational import round_half_up
from selva_plugins.hosts.resolve.conform.own_files import give_own_files
from selva_plugins.hosts.resolve.conform.plan import OFF_FRAME, TimelineConform, plan_timeline
from selva_plugins.hosts.resolve.plan import build_plan, build_target
from selva_plugins.hosts.resolve.plan_schema import PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, parse_snapshot
from tests.selva_otio.conform.random_cuts import MEDIA_FRAMES, TRACKS, RandomPair, RandomShot
from tests.selva_plugins.resolve.access import Access
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.scenes import Scene, build_scene

RATE_HZ = 48_000
MakeAccess = Callable[[Scene], Access]


def open_scene(pair: RandomPair) -> Scene:
    return build_scene(rate=pair.rate, start_timecode="00:00:00:00" if pair.handles else "01:00:00:00")


@dataclass
class RandomTimeline:
    """A timeline with the stems of the old cut. made_for: of each file the shot, and how many frames it begins before it."""

    pair: RandomPair
    scene: Scene
    access: Access
    folder: Path
    made_for: dict[str, tuple[RandomShot, int]] = field(default_factory=dict)

    @classmethod
    def build(cls, seed: int, make_access: MakeAccess, folder: Path) -> RandomTimeline:
        pair = RandomPair.build(seed)
        scene = open_scene(pair)
        built = cls(pair=pair, scene=scene, access=make_access(scene), folder=folder)
        stems, at = [], 0
        for number, shot in enumerate(pair.old):
            if shot.media:
                scene.add_clip(
                    built._medium(f"/media/{shot.media}"),
                    at=at,
                    frames=shot.frames,
                    source=shot.first,
                    speed=Fraction(shot.speed),
                )
                stems += [built._make_stem(track.name, number, shot, at) for track in TRACKS]
            at += shot.frames
        report = built.access.place(build_plan(stems, build_target(built.read())))
        assert all(stem.is_placed for stem in report.stems)
        return built

    def read(self) -> ResolveSnapshot:
        return parse_snapshot(json.dumps(self.access.snapshot()))

    def edit(self, chance: random.Random) -> None:
        """Turn the cut into the new one: shots that are still the same keep their items, others are new items; now and then media
        are found elsewhere, and the stems of an item that was moved are moved along.
        """
        video = self.scene.timeline.tracks["video"][0]
        old, video.items = list(video.items), []
        left = list(zip([shot for shot in self.pair.old if shot.media], old, strict=True))
        place = self._place_of_media(chance)
        at = 0
        for shot in self.pair.new:
            if shot.media:
                same = next((index for index, (other, _) in enumerate(left) if other == shot), None)
                item = self.scene.add_clip(
                    self._medium(place(shot.media)),
                    at=at,
                    frames=shot.frames,
                    source=shot.first,
                    speed=Fraction(shot.speed),
                )
                if same is not None:
                    _, before = left.pop(same)
                    item.uid = before.uid
                    if chance.random() < 0.5:
                        self._take_along(before, item.start - before.start)
            at += shot.frames

    def _place_of_media(self, chance: random.Random) -> Callable[[str], str]:
        if not self.pair.names:
            return lambda name: f"/media/{name}"
        if chance.random() < 0.5:
            return lambda name: f"/online/{name}"
        return lambda name: f"/online/{Path(name).stem}.mxf"

    def _medium(self, path: str) -> model.Media:
        found = (media for media in self.scene.media.values() if media.path == path)
        return next(found, None) or self.scene.add_media(
            path,
            duration_s=MEDIA_FRAMES / self.pair.rate,
            name=f"{Path(path).name} in {Path(path).parent.name}",
        )

    def _take_along(self, before: model.Item, frames: int) -> None:
        """Move the stems over an item, where nothing is in their way."""
        for track in self.scene.timeline.tracks["audio"]:
            for stem in [
                item for item in track.items if (item.start, item.end) == (before.start, before.end)
            ]:
                first, last = stem.start + frames, stem.end + frames
                others = (item for item in track.items if item is not stem)
                if all(item.end <= first or last <= item.start for item in others):
                    stem.start = first

    def _make_stem(self, track: str, number: int, shot: RandomShot, at: int) -> PlanStem:
        pair = self.pair
        before = min(pair.handles, shot.first // shot.speed)
        after = min(pair.handles, (MEDIA_FRAMES - shot.first - shot.speed * shot.frames) // shot.speed)
        file = self.folder / f"{track}-{number}.wav"
        self.made_for[f"{track}-{number}"] = shot, before
        offset_samples = round_half_up(before / pair.rate * RATE_HZ)
        _write_stem(
            file,
            round_half_up((before + shot.frames + after) / pair.rate * RATE_HZ),
            {
                "track": track,
                "prompt": next(each.prompt for each in TRACKS if each.name == track),
                "seed": "42",
                "take": "1",
                "model": "selva-nano",
                "source_file": shot.media,
                "source_speed": str(shot.speed),
                "source_start_s": str(shot.first / pair.rate),
                "offset_samples": str(offset_samples),
            },
        )
        return PlanStem(
            id=f"{track}-{number}",
            file=str(file),
            track=track,
            record_frame=self.scene.timeline.start_frame + at,
            duration_frames=shot.frames,
            source_start_frame=before,
            comment="Selva: a stem",
        )


def _write_stem(path: Path, num_samples: int, provenance: dict[str, str]) -> None:
    """A file that takes no room on the disk."""
    tags = StemTags(provenance=provenance, sample_rate_hz=RATE_HZ)
    with path.open("wb") as file:
        write_wave(
            file, (), num_samples=num_samples, sample_rate_hz=RATE_HZ, before=tags.chunks_after_audio()
        )
        file.truncate(file.tell() + 3 * num_samples)


def check(seed: int, make_access: MakeAccess, folder: Path) -> Counter[str]:
    """Conform a random timeline and compare it with the truth; gives counts of what was seen."""
    built = RandomTimeline.build(seed, make_access, folder)
    last = built.read()
    built.edit(random.Random(seed))  # noqa: S311 - the same edits for the same seed
    snapshot = built.read()
    conform = plan_timeline(snapshot, last)
    if conform.held:  # at double speed a shot may begin in the middle of a frame of its stem
        assert {held.reason for held in conform.held} == {OFF_FRAME}
        assert 2 in {shot.speed for shot in built.pair.new}
        return Counter({"left off frame": 1})
    stay = [stem.file for stem in snapshot.timeline.stems if stem.id not in conform.removals]
    stems = give_own_files(conform.stems, stay, conform.comments)
    report = built.access.place(build_plan(stems, build_target(snapshot), conform.removals))
    assert [stem.reason for stem in report.stems if not stem.is_placed] == []
    assert report.num_left == 0
    counts = _compare(built, conform)
    counts["media found elsewhere"] += bool(built.pair.names)
    return counts


def _compare(built: RandomTimeline, conform: TimelineConform) -> Counter[str]:
    pair = built.pair
    frames = [frame for shot in pair.new for frame in map(shot.frame_at, range(shot.frames))]
    shown = {frame for shot in pair.old if shot.media for frame in map(shot.frame_at, range(shot.frames))}
    counts: Counter[str] = Counter()
    for track in TRACKS:
        heard = _find_heard(built, track.name, frames)
        rendered = _count_rendered(conform, track.name, pair.rate)
        for index, (media, _, _) in enumerate(frames):
            number = heard[index] + rendered[index]
            assert number == bool(media), f"{track.name}: frame {index} has {number} sounds"
            if frames[index] in shown and media:
                assert not rendered[index], f"{track.name}: frame {index} is rendered although a stem has it"
            counts["heard frames"] += heard[index]
            counts["rendered frames"] += rendered[index]
    return counts


def _find_heard(built: RandomTimeline, name: str, frames: list[tuple[str, int, int]]) -> Counter[int]:
    """How many stems are heard at each frame, after each was found to have been made for it."""
    heard: Counter[int] = Counter()
    timeline = built.scene.timeline
    tracks = [track for track in timeline.tracks["audio"] if track.name.split(" ")[0] == name]
    for item in (item for track in tracks for item in track.items):
        assert item.media is not None
        stem = Path(item.media.path).stem.split("_")[0]
        shot, before = built.made_for[stem]
        for offset in range(item.duration):
            index = item.start - timeline.start_frame + offset
            in_shot = int(item.source_start) + offset - before
            assert shot.frame_at(in_shot) == frames[index], f"{stem} at frame {index}"
            heard[index] += 1
    return heard


def _count_rendered(conform: TimelineConform, track: str, rate: Fraction) -> Counter[int]:
    rendered: Counter[int] = Counter()
    for cue in conform.sheet.cues:
        if cue.track == track:
            first, last = cue.clip.record_start_s * rate, cue.clip.record_end_s * rate
            assert (first.denominator, last.denominator) == (1, 1)
            rendered.update(range(int(first), int(last)))
    return rendered
