"""Projects whose stems were placed by the real script, and what an editor and a conform do to them."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.rational import to_pair
from selva_plugins.bridge import answer_request
from tests.selva_plugins.reaper.double import Item, Project, Source, Track, World
from tests.selva_plugins.reaper.scenes import (
    CONFORM,
    GENERATE,
    FakeBridge,
    picture_key,
    project_with,
    run_action,
    type_sounds,
)

RATE_HZ = 48_000
YES, NO, CANCEL = 6, 7, 2
PROMPTS = {"Dog": "small dog barking", "Rain": "rain on tin"}


def write_sparse_stem(world: World, name: str, num_samples: int) -> str:
    """A WAV of that length that takes no room on the disk; returns its path as REAPER spells it."""
    path = world.home / "stems" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + num_samples, b"WAVE", b"fmt ", 16, 1, 1, RATE_HZ, RATE_HZ, 1, 8,
                       b"data", num_samples)  # fmt: skip
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + num_samples)
    return world.host_path(path)


def recipe_of(
    item: Item, track: str, *, handle_s: Fraction = Fraction(0), after_s: Fraction = Fraction(0)
) -> dict[str, Any]:
    """What a render notes in a take that is for a whole item."""
    take = item.active_take
    assert take.source is not None
    start_s = Fraction(take.values["D_STARTOFFS"]).limit_denominator(1_000_000)
    return {
        "schema": "selva.recipe/1",
        "track": track,
        "prompt": PROMPTS[track],
        "model": "selva-nano",
        "seed": 42,
        "take": 1,
        "sample_rate_hz": RATE_HZ,
        "num_steps": 25,
        "guidance": 4.5,
        "clip": {
            "name": take.name,
            "path": take.source.innermost.file,
            "media_start_s": to_pair(start_s),
            "speed": to_pair(Fraction(take.values["D_PLAYRATE"]).limit_denominator(1000)),
            "record_start_s": to_pair(Fraction(item.position_s).limit_denominator(1_000_000)),
            "duration_s": to_pair(Fraction(item.length_s).limit_denominator(30_000)),
            "handle_before_s": to_pair(handle_s),
            "handle_after_s": to_pair(after_s),
        },
    }


def plan_stem(
    world: World,
    item: Item,
    track: str,
    name: str,
    *,
    handle_s: Fraction = Fraction(0),
    after_s: Fraction = Fraction(0),
) -> dict[str, Any]:
    """The placement of a stem over a whole item, as the bridge plans it."""
    take = item.active_take
    assert take.source is not None
    file_s = handle_s + Fraction(item.length_s).limit_denominator(1_000_000) + after_s
    recipe = recipe_of(item, track, handle_s=handle_s, after_s=after_s)
    return {
        "cue": name,
        "label": f"{track}: {take.name}",
        "stem_track": track,
        "start_s": item.position_s,
        "length_s": item.length_s,
        "source_offset_s": float(handle_s),
        "anchor": {
            "item_guid": item.guid,
            "position_s": item.position_s,
            "length_s": item.length_s,
            "start_offset_s": take.values["D_STARTOFFS"],
            "play_rate": take.values["D_PLAYRATE"],
            "picture_key": picture_key(take.source),
        },
        "into_item": None,
        "takes": [
            {
                "file": write_sparse_stem(world, f"{name}.wav", -(-file_s * RATE_HZ // 1)),
                "name": f"{track} - {take.name}",
                "recipe": recipe,
            }
        ],
    }


def place_plan(world: World, plan: list[dict[str, Any]]) -> FakeBridge:
    """Have the script place a plan."""
    for item in world.project.items:
        item.is_selected = True
    bridge = FakeBridge(world)
    world.input_answers.append(type_sounds("Dog: small dog barking"))
    run_action(world, GENERATE)
    world.tick(3)
    bridge.finish(plan)
    report = bridge.folders[-1] / "report-1.json"
    world.tick_until(report.exists, limit_s=5)
    assert json.loads(report.read_text(encoding="utf-8"))["failed"] is None
    world.quit()
    return bridge


@dataclass
class Conformed:
    """What the bridge planned. answer: `conform` of plan.json. snapshot: that it was planned from, as text."""

    bridge: FakeBridge
    answer: dict[str, Any]
    snapshot: str
    message: str


def conform(world: World, *, answer: int = YES, meanwhile: Callable[[], object] = lambda: None) -> Conformed:
    """Run the action with the real bridge, and answer its question."""
    bridge = FakeBridge(world)
    run_action(world, CONFORM)
    folder = bridge.folders[-1]
    answer_request(folder)
    meanwhile()
    world.message_answers.append(answer)
    before = len(world.messages)
    world.tick(3)
    plan_file = folder / "plan.json"
    plan = json.loads(plan_file.read_text(encoding="utf-8")) if plan_file.exists() else {}
    world.message_answers.clear()
    return Conformed(
        bridge=bridge,
        answer=plan.get("conform", {}),
        snapshot=(folder / "snapshot.json").read_text(encoding="utf-8"),
        message="\n".join(world.messages[before:]),
    )


@dataclass
class RenderedProject:
    """A project with one picture item per shot and a stem per track and item. stems: by track, in the order of the items."""

    world: World
    project: Project
    pictures: list[Item]
    stems: dict[str, list[Item]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        world: World,
        *pictures: Item,
        tracks: tuple[str, ...] = ("Dog",),
        handle_s: Fraction = Fraction(0),
        only: tuple[int, ...] | None = None,
    ) -> RenderedProject:
        """only: the numbers of the items that get stems; all of them by default."""
        project = project_with(world, *pictures, sample_rate_hz=float(RATE_HZ))
        chosen = [item for number, item in enumerate(pictures) if only is None or number in only]
        plan = [
            plan_stem(world, item, track, f"{track}-{number}", handle_s=handle_s, after_s=handle_s)
            for track in tracks
            for number, item in enumerate(chosen)
        ]
        place_plan(world, plan)
        stems = {track: list(project.track_named(track).items) for track in tracks}
        return cls(world=world, project=project, pictures=list(pictures), stems=stems)

    def track(self, name: str) -> list[Item]:
        """What lies on all tracks of that sound now, in the order of time."""
        found = [track.items for track in self.project.tracks if track.ext.get("selva_track") == name]
        return sorted((item for items in found for item in items), key=lambda item: item.position_s)

    def places(self, name: str) -> list[tuple[float, float, float]]:
        """Position, length and offset into the file of each stem."""
        return [
            (
                round(item.position_s, 9),
                round(item.length_s, 9),
                round(item.active_take.values["D_STARTOFFS"], 9),
            )
            for item in self.track(name)
        ]


def shot(
    media: str = "/media/a.mov", *, at_s: float, first_s: float, length_s: float, rate: float = 1.0
) -> Item:
    source = Source.video(media, 400.0)
    return Item.showing(
        source,
        position_s=at_s,
        length_s=length_s,
        start_offset_s=first_s,
        play_rate=rate,
        name=Path(media).name,
    )


def split(project: Project, item: Item, at_s: float) -> Item:
    """What splitting leaves: the right part has a new identity and a copy of everything else."""
    right = copy.deepcopy(item)
    right.guid = f"{{{abs(hash((item.guid, at_s))):032X}}}"
    left_s = at_s - item.position_s
    take = right.active_take
    take.guid = f"{{{abs(hash((take.guid, at_s))):032X}}}"
    right.values["D_POSITION"] = at_s
    right.values["D_LENGTH"] = item.length_s - left_s
    take.values["D_STARTOFFS"] += left_s * take.values["D_PLAYRATE"]
    item.values["D_LENGTH"] = left_s
    track: Track = project.track_of(item)
    track.items.append(right)
    return right
