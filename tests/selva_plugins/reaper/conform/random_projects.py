"""Random edits of known truth, done to a project and conformed by the real scripts and the real bridge.

The cuts are those of `tests.selva_otio.conform.random_cuts`; the check goes through the frames of the new cut one by one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_otio.time.clock import sample_index
from selva_plugins.hosts.reaper.conform.plan import ProjectConform, plan_project
from selva_plugins.hosts.reaper.snapshot import parse_snapshot
from tests.selva_otio.conform.random_cuts import MEDIA_FRAMES, TRACKS, RandomPair, RandomShot
from tests.selva_plugins.reaper.conform.rendered_projects import RATE_HZ, conform, place_plan, plan_stem
from tests.selva_plugins.reaper.double import Item, Project, Source, Take, Track, World
from tests.selva_plugins.reaper.scenes import project_with

NEAR_S = Fraction(1, 10_000_000)


@dataclass
class RandomProject:
    """A project with the stems of the old cut, and what is known of each file: the shot, and how much it begins before it."""

    world: World
    pair: RandomPair
    project: Project
    pictures: list[Item]
    made_for: dict[str, tuple[RandomShot, int]] = field(default_factory=dict)

    @classmethod
    def build(cls, world: World, seed: int) -> RandomProject:
        pair = RandomPair.build(seed)
        pictures = [item for _, item in _lay_out(pair.old, pair.rate)]
        project = project_with(
            world, *pictures, frame_rate_hz=float(pair.rate), **_choose_settings(seed, pair.rate)
        )
        built = cls(world=world, pair=pair, project=project, pictures=pictures)
        shots = [shot for shot in pair.old if shot.media]
        plan = []
        for stem_track in TRACKS:
            for number, (shot, item) in enumerate(zip(shots, pictures, strict=True)):
                name = f"{stem_track.name}-{number}"
                before, after = _handles(shot, pair.handles)
                built.made_for[name] = shot, before
                handle_s, after_s = before / pair.rate, after / pair.rate
                plan.append(plan_stem(world, item, stem_track.name, name, handle_s=handle_s, after_s=after_s))
        place_plan(world, plan)
        built._add_oddities(random.Random(f"dress {seed}"))  # noqa: S311 - the same for the same seed
        return built

    def _add_oddities(self, chance: random.Random) -> None:
        """What an editor does that changes no picture: groups with their stems, lanes that play, another take."""
        has_lanes, has_groups, has_takes = (chance.random() < 0.4 for _ in range(3))
        if has_lanes:
            self.project.tracks[_video_track(self.project)].values["I_FREEMODE"] = 2.0
        for number, item in enumerate(self.pictures, start=1):
            item.values["C_LANEPLAYS"] = float(has_lanes)
            if has_groups:
                for each in (item, *self._stems_of(item)):
                    each.values["I_GROUPID"] = float(number)
            if has_takes:
                item.takes.insert(0, Take(source=Source.video("/media/other.mov", 10.0)))
                item.active = 1

    def _stems_of(self, item: Item) -> list[Item]:
        return [stem for stem in self.project.items if f'"{item.guid}"' in stem.ext.get("selva", "")]

    def edit(self, chance: random.Random) -> None:
        """Turn the cut into the new one: shots that are still the same keep their items, others are new items; now and then the
        stems of an item that was moved are moved along, as a ripple edit does.
        """
        old = [shot for shot in self.pair.old if shot.media]
        left = list(zip(old, self.pictures, strict=True))
        items: list[Item] = []
        for shot, fresh in _lay_out(self.pair.new, self.pair.rate, self._rename(chance)):
            same = next((index for index, (other, _) in enumerate(left) if other == shot), None)
            if same is None:
                items.append(fresh)
                continue
            _, item = left.pop(same)
            if chance.random() < 0.5:
                self._ripple(item, fresh.position_s - item.position_s)
            item.values["D_POSITION"] = fresh.position_s
            item.active_take.source = fresh.active_take.source
            items.append(item)
        video = self.project.tracks[_video_track(self.project)]
        for item in items:
            item.values["C_LANEPLAYS"] = float(video.values["I_FREEMODE"] == 2.0)
        upper = [item for item in items if chance.random() < 0.3] if chance.random() < 0.3 else []
        video.items[:] = [item for item in items if item not in upper]
        if upper:
            self.project.tracks.insert(0, Track(name="Inserts", items=upper))

    def _rename(self, chance: random.Random) -> Callable[[str], str]:
        """Media that were moved to another folder, or exported anew in another format."""
        if not self.pair.names:
            return lambda name: f"/media/{name}"
        if chance.random() < 0.5:
            return lambda name: f"/online/{name}"
        return lambda name: f"/online/{Path(name).stem}.mxf"

    def _ripple(self, item: Item, shift_s: float) -> None:
        for stem in self._stems_of(item):
            stem.values["D_POSITION"] += shift_s


def _choose_settings(seed: int, rate: Fraction) -> dict[str, Any]:
    """What a project may have besides: a sample rate other than that of its stems, or none; a start offset; drop-frame labels."""
    chance = random.Random(f"settings {seed}")  # noqa: S311 - the same settings for the same seed
    return {
        "sample_rate_hz": chance.choice([float(RATE_HZ), 44_100.0, 96_000.0, None]),
        "start_offset_s": chance.choice([0.0, 3600.0, -10.0, float(86_400 / rate), 0.123]),
        "is_drop_frame": rate.denominator == 1001 and chance.random() < 0.5,
    }


def _video_track(project: Project) -> int:
    return next(number for number, track in enumerate(project.tracks) if track.name == "Video")


def _lay_out(
    shots: list[RandomShot], rate: Fraction, path_of: Callable[[str], str] = lambda name: f"/media/{name}"
) -> list[tuple[RandomShot, Item]]:
    items, at = [], 0
    for shot in shots:
        if shot.media:
            source = Source.video(path_of(shot.media), float(MEDIA_FRAMES / rate))
            item = Item.showing(
                source,
                position_s=float(at / rate),
                length_s=float((at + shot.frames) / rate) - float(at / rate),
                start_offset_s=float(shot.first / rate),
                play_rate=float(shot.speed),
            )
            items.append((shot, item))
        at += shot.frames
    return items


def _handles(shot: RandomShot, handles: int) -> tuple[int, int]:
    """Frames before and after, as far as the medium goes."""
    after = MEDIA_FRAMES - shot.first - shot.speed * shot.frames
    return min(handles, shot.first // shot.speed), min(handles, after // shot.speed)


def check(world: World, seed: int) -> Counter[str]:
    """Conform a random project and compare it with the truth; gives counts of what was seen."""
    built = RandomProject.build(world, seed)
    built.edit(random.Random(seed))  # noqa: S311 - the same edits for the same seed
    result = conform(world)
    planned = plan_project(parse_snapshot(result.snapshot))
    counts: Counter[str] = Counter()
    pair = built.pair
    frames = [frame for shot in pair.new for frame in map(shot.frame_at, range(shot.frames))]
    shown = {frame for shot in pair.old if shot.media for frame in map(shot.frame_at, range(shot.frames))}
    for stem_track in TRACKS:
        heard = _check_samples(built, stem_track.name, frames, counts)
        rendered = _count_rendered(planned, stem_track.name, pair.rate)
        for index, (media, _, _) in enumerate(frames):
            number = heard[index] + rendered[index]
            if not media:
                assert not number, f"sound under a gap at frame {index}"
                continue
            if frames[index] in shown:
                assert heard[index] == 1, f"frame {index} lost its stem, or has {heard[index]}"
                assert not rendered[index], f"frame {index} is rendered although a stem has it"
            assert number == 1, f"frame {index} has {number} sounds"
            counts["heard frames"] += heard[index]
            counts["rendered frames"] += rendered[index]
    assert len({item.guid for item in built.project.items}) == len(built.project.items)
    world.quit()
    return counts


def _count_rendered(planned: ProjectConform, track: str, rate: Fraction) -> Counter[int]:
    rendered: Counter[int] = Counter()
    for cue in planned.missing.spot()[0].sheet.cues:
        if cue.track == track:
            first, last = (round(each * rate) for each in (cue.clip.record_start_s, cue.clip.record_end_s))
            assert abs(first / rate - cue.clip.record_start_s) < NEAR_S
            rendered.update(range(first, last))
    return rendered


def _check_samples(
    built: RandomProject, name: str, frames: list[tuple[str, int, int]], counts: Counter[str]
) -> Counter[int]:
    """How many stems are heard at each frame, after the sample at the start of each was found to be the one made for it."""
    rate = built.pair.rate
    heard: Counter[int] = Counter()
    tracks = [track for track in built.project.tracks if track.ext.get("selva_track") == name]
    for item in (item for track in tracks for item in track.items):
        take = item.active_take
        assert take.source is not None
        made, handle = built.made_for[Path(take.source.file).stem]
        start_s, offset_s = Fraction(item.position_s), Fraction(take.values["D_STARTOFFS"])
        end_s = start_s + Fraction(item.length_s)
        first, last = round(start_s * rate), round(end_s * rate)
        assert abs(first / rate - start_s) < NEAR_S
        assert abs(last / rate - end_s) < NEAR_S
        assert offset_s > -NEAR_S
        assert offset_s + Fraction(item.length_s) <= Fraction(take.source.length_s) + NEAR_S
        for index in range(first, last):
            heard[index] += 1
            counts["samples checked"] += 1
            media, frame, speed = frames[index]
            assert (media, speed) == (made.media, made.speed)
            made_for_s = (Fraction(frame - made.first, made.speed) + handle) / rate
            played_s = offset_s + index / rate - start_s
            assert sample_index(played_s, RATE_HZ) == sample_index(made_for_s, RATE_HZ)
    return heard
