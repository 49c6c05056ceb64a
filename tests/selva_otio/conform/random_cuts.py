"""Pairs of cuts whose truth is known: a cut with stems, the same cut after random edits, and a check of what conform makes of it.

The check knows nothing of shots that match: it goes through the frames of the new cut one by one. Of each it knows the frame of
the medium, and of each stem the frame that each of its samples was made for.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

import opentimelineio as otio

from selva_otio import Stem, StemTrack, measure_span, place_stems, spot_timeline
from selva_otio.conform.cut_reading import read_cut
from selva_otio.conform.plan import ConformPlan, plan_conform
from selva_otio.conform.stem_placing import place_moves
from selva_otio.cues.shot_spotting import ShotSpotter
from selva_otio.cues.spotting import SpotOptions
from selva_otio.metadata import STEM_SCHEMA, read_selva_metadata
from selva_otio.picture.media_search import MediaLookup
from selva_otio.placement.stem_tracks import StemSubtrack, read_subtracks
from selva_otio.time.clock import TimelineClock, sample_index
from selva_otio.time.item_times import trimmed_start_s
from tests.selva_otio.cuts import RATES, CutBuilder

TRACKS = (StemTrack(name="Dog", prompt="small dog barking"), StemTrack(name="Rain", prompt="rain on tin"))
SAMPLE_RATE_HZ = 48_000
MEDIA_FRAMES = 4000
EDITS = ("move", "trim", "extend", "split", "join", "delete", "insert", "repeat", "retime", "slip", "gap")


@dataclass(frozen=True)
class RandomShot:
    """A shot, in frames; without a medium it is a gap."""

    media: str
    first: int
    frames: int
    speed: int = 1

    def frame_at(self, index: int) -> tuple[str, int, int]:
        return self.media, self.first + self.speed * index, self.speed


@dataclass
class RandomPair:
    """A cut with stems and an edited one. names: file names of media in the new cut that were renamed."""

    builder: CutBuilder
    rate: Fraction
    handles: int
    old: list[RandomShot]
    new: list[RandomShot]
    edits: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def build(cls, seed: int, *, num_edits: int = 4) -> RandomPair:
        chance = random.Random(seed)  # noqa: S311 - the same cuts for the same seed
        name = chance.choice(list(RATES))
        rate = RATES[name]
        media = [f"reel{number}.mov" for number in range(chance.randint(1, 4))]
        old = [
            RandomShot(media[0], 500, 60),
            *(_random_shot(chance, media) for _ in range(chance.randint(1, 8))),
        ]
        pair = cls(
            builder=CutBuilder(
                rate_hz=float(rate),
                media_num_frames=MEDIA_FRAMES,
                start_frame=chance.choice([0, 108_000]),
                media_start_frame=chance.choice([0, 90_000]),
            ),
            rate=rate,
            handles=chance.choice([0, 0, 5, 24]),
            old=old,
            new=list(old),
        )
        for _ in range(num_edits):
            edit = chance.choice(EDITS)
            pair.edits.append(edit)
            _apply_edit(edit, pair.new, chance, media)
        if chance.random() < 0.3:
            pair.names = {each: f"relinked_{each}" for each in media}
        return pair

    def timeline(self, shots: list[RandomShot], names: dict[str, str]) -> otio.schema.Timeline:
        builder = self.builder
        items = []
        for shot in shots:
            if not shot.media:
                items.append(builder.gap(shot.frames))
                continue
            items.append(
                builder.clip(
                    shot.media,
                    offset=shot.first,
                    frames=shot.frames,
                    speed=None if shot.speed == 1 else float(shot.speed),
                    url=f"file:///media/{names.get(shot.media, shot.media)}",
                )
            )
        return builder.timeline(builder.track(*items))

    def rendered(self) -> otio.schema.Timeline:
        """The old cut with a stem for every track and shot; the name of a file says the frame its first sample is for."""
        timeline = self.timeline(self.old, {})
        options = SpotOptions(handles_s=self.handles / self.rate)
        sheet = spot_timeline(timeline, TRACKS, base_folder=Path("/cuts"), options=options)
        stems = []
        for cue in sheet.cues:
            clip = cue.clip
            first = clip.sound_media_start_s * self.rate
            stems.append(
                Stem(
                    cue=cue.id,
                    take=1,
                    seed=42,
                    file=Path(
                        f"/stems/{cue.track}~{clip.media_path.name}~{first}~{clip.speed}~{cue.id}.wav"
                    ).absolute(),
                    sample_rate_hz=SAMPLE_RATE_HZ,
                    num_samples=measure_span(clip, sheet.clock, SAMPLE_RATE_HZ).num_samples,
                )
            )
        return place_stems(timeline, sheet, stems).timeline

    def conform(self) -> tuple[ConformPlan, otio.schema.Timeline]:
        old_timeline, new_timeline = self.rendered(), self.timeline(self.new, self.names)
        before = old_timeline.to_json_string(), new_timeline.to_json_string()
        media = MediaLookup(base_folder=Path("/cuts"))
        new = read_cut(new_timeline, media)
        plan = plan_conform(
            read_cut(old_timeline, media),
            new,
            spotter=ShotSpotter(clock=new.clock, media=media),
            relinked={f"/media/{name}": f"/media/{media}" for media, name in self.names.items()},
        )
        result = place_moves(plan).timeline
        assert (old_timeline.to_json_string(), new_timeline.to_json_string()) == before
        return plan, result


def _random_shot(chance: random.Random, media: list[str]) -> RandomShot:
    if chance.random() < 0.1:
        return RandomShot("", 0, chance.randint(1, 40))
    return RandomShot(
        chance.choice(media),
        chance.randint(0, MEDIA_FRAMES - 800),
        chance.randint(3, 120),
        chance.choice([1, 1, 1, 1, 2]),
    )


def _apply_edit(edit: str, shots: list[RandomShot], chance: random.Random, media: list[str]) -> None:
    index = chance.randrange(len(shots))
    shot = shots[index]
    amount = chance.randint(1, 30)
    if edit == "insert":
        shots.insert(index, _random_shot(chance, media))
    elif edit == "gap":
        shots.insert(index, RandomShot("", 0, amount))
    elif edit == "move":
        shots.insert(chance.randrange(len(shots)), shots.pop(index))
    elif edit == "delete" and sum(bool(each.media) for each in shots) > 1:
        shots.pop(index)
    elif edit == "repeat":
        shots.insert(chance.randrange(len(shots) + 1), shot)
    elif shot.media:
        shots[index : index + 1] = _edit_shot(edit, shot, amount, chance)


def _edit_shot(edit: str, shot: RandomShot, amount: int, chance: random.Random) -> list[RandomShot]:
    step = shot.speed
    rest = RandomShot(shot.media, shot.first + step * shot.frames, amount, step)
    edited = [shot]
    if edit == "trim" and shot.frames > amount:
        first = shot.first + chance.choice([0, step * amount])
        edited = [replace(shot, first=first, frames=shot.frames - amount)]
    elif edit == "extend":
        before = amount if shot.first >= step * amount and chance.random() < 0.5 else 0
        edited = [replace(shot, first=shot.first - step * before, frames=shot.frames + amount)]
    elif edit == "slip" and shot.first >= step * amount:
        edited = [replace(shot, first=shot.first - step * amount)]
    elif edit == "split" and shot.frames > 3:
        at = chance.randrange(1, shot.frames - 1)
        left_out = chance.randrange(0, shot.frames - at)
        rest = RandomShot(shot.media, shot.first + step * (at + left_out), shot.frames - at - left_out, step)
        edited = [replace(shot, frames=at), rest]
    elif edit == "retime":
        edited = [replace(shot, speed=3 - step)]
    elif edit == "join":
        edited = [shot, rest]
    return edited


def check(pair: RandomPair) -> Counter[str]:
    """Compare what conform makes of a pair with the truth, frame by frame; gives counts of what was seen."""
    plan, result = pair.conform()
    _check_handles_are_used(pair, plan, result)
    frames = [frame for shot in pair.new for frame in map(shot.frame_at, range(shot.frames))]
    shown = {frame for shot in pair.old if shot.media for frame in map(shot.frame_at, range(shot.frames))}
    counts: Counter[str] = Counter()
    for stem_track in TRACKS:
        heard = _check_samples(pair, read_subtracks(result, stem_track.name), frames, counts, plan.new.clock)
        rendered: Counter[int] = Counter()
        for cue in plan.sheet.cues:
            if cue.track == stem_track.name:
                counts["cues"] += 1
                rendered.update(_frames(pair, cue.clip.record_start_s, cue.clip.record_end_s))
        for index, (media, _, _) in enumerate(frames):
            number = heard[index] + rendered[index]
            if not media:
                assert not number, f"sound under a gap at frame {index}"
                continue
            if frames[index] in shown:
                assert heard[index] == 1, f"frame {index} lost its stem, or has {heard[index]}"
                assert not rendered[index], f"frame {index} is rendered although a stem has it"
            else:
                assert number == 1 or not _is_wanted(plan, index, pair), f"frame {index} has {number} sounds"
            counts["heard frames"] += heard[index]
            counts["rendered frames"] += rendered[index]
    counts["dropped"] += len(plan.dropped)
    assert len({id(each.stem) for each in plan.dropped} & {id(each.stem) for each in plan.moves}) == 0
    return counts


def _is_wanted(plan: ConformPlan, index: int, pair: RandomPair) -> bool:
    """Whether a frame that the old cut did not show should have sound: not in new shots without a prompt."""
    record_s = index / pair.rate
    return not any(
        each.cut.record_start_s <= record_s < each.cut.record_end_s for each in plan.without_prompt
    )


def _frames(pair: RandomPair, start_s: Fraction, end_s: Fraction) -> range:
    start, end = start_s * pair.rate, end_s * pair.rate
    assert start.denominator == end.denominator == 1
    return range(int(start), int(end))


def _check_samples(
    pair: RandomPair,
    subtracks: list[StemSubtrack],
    frames: list[tuple[str, int, int]],
    counts: Counter[str],
    clock: TimelineClock,
) -> Counter[int]:
    """How many stems are heard at each frame, after each was found on its sample: at the start of an item, at each of its frames
    and at its end the sample is the one that was made for the frame of the medium.
    """
    heard: Counter[int] = Counter()
    for subtrack in subtracks:
        for placed in subtrack.items:
            stem = read_selva_metadata(placed.item, STEM_SCHEMA)
            assert placed.is_as_placed(clock), "a later render would take it for an editor's"
            _, media, first, speed, _ = _read_file_name(placed.item)
            offset_s = trimmed_start_s(placed.item)
            assert offset_s >= 0
            end_s = offset_s + placed.end_s - placed.start_s
            assert end_s * SAMPLE_RATE_HZ <= stem["takes"][0]["num_samples"] + 1
            for index in _frames(pair, placed.start_s, placed.end_s):
                heard[index] += 1
                counts["samples checked"] += 1
                if not 0 <= index < len(frames):
                    raise AssertionError(f"a stem beyond the cut at frame {index}")
                assert frames[index][0] == media
                assert frames[index][2] == Fraction(speed)
                made_for_s = (frames[index][1] - Fraction(first)) / Fraction(speed) / pair.rate
                played_s = offset_s + index / pair.rate - placed.start_s
                assert sample_index(played_s, SAMPLE_RATE_HZ) == sample_index(made_for_s, SAMPLE_RATE_HZ)
            assert stem["start_sample"] == sample_index(placed.start_s, SAMPLE_RATE_HZ)
    return heard


def _check_handles_are_used(pair: RandomPair, plan: ConformPlan, result: otio.schema.Timeline) -> None:
    """Where something is rendered beside a stem on its own picture, the stem's file ends there."""
    for cue in plan.sheet.cues:
        for subtrack in read_subtracks(result, cue.track):
            for placed in subtrack.items:
                _, media, first, speed, _ = _read_file_name(placed.item)
                if (media, Fraction(speed)) != (_old_name(pair, cue.clip.media_path.name), cue.clip.speed):
                    continue
                offset_s = trimmed_start_s(placed.item)
                media_s = Fraction(first) / pair.rate + cue.clip.speed * offset_s
                shift_s = (cue.clip.media_start_s - media_s) / cue.clip.speed
                is_same_picture = cue.clip.record_start_s - placed.start_s == shift_s
                if is_same_picture and placed.start_s == cue.clip.record_end_s:
                    assert offset_s < 1 / pair.rate, "the handle before the stem was not used"
                if is_same_picture and placed.end_s == cue.clip.record_start_s:
                    file_s = Fraction(
                        read_selva_metadata(placed.item, STEM_SCHEMA)["takes"][0]["num_samples"],
                        SAMPLE_RATE_HZ,
                    )
                    left_s = file_s - offset_s - (placed.end_s - placed.start_s)
                    assert left_s < 1 / pair.rate, "the handle after the stem was not used"


def _old_name(pair: RandomPair, name: str) -> str:
    return {new: old for old, new in pair.names.items()}.get(name, name)


def _read_file_name(item: otio.core.Item) -> list[str]:
    """What `rendered` wrote into the name of a stem's file: track, medium, first frame, speed, cue."""
    return Path(unquote(item.media_reference.target_url)).stem.split("~")
