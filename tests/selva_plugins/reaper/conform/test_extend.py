"""How far a stem item is extended, and by what: its handles, a longer take, or nothing. No stem is rendered."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from selva_core.audio.metadata import StemTags
from selva_core.audio.wav import write_wave
from selva_core.base.media import PictureRange
from selva_daemon.protocol.job import RedoRequest
from selva_daemon.protocol.recipe import picture_provenance
from selva_plugins.bridge import PreparedRequest
from selva_plugins.errors import NothingToRenderError
from selva_plugins.form import HostForm
from selva_plugins.hosts.reaper.extend import prepare_extend
from selva_plugins.hosts.reaper.plan import PlanStem
from selva_plugins.hosts.reaper.snapshot import parse_snapshot
from tests.selva_plugins.reaper.snapshots import item_of, snapshot_text

RATE_HZ = 48_000
MEDIA_S = 10.0


@pytest.fixture
def stem_file(tmp_path: Path) -> Path:
    """Three seconds that were made for the media from 1 s to 4 s."""
    shown = PictureRange(path=Path("a.mov"), start_s=Fraction(1), duration_s=Fraction(3), speed=Fraction(1))
    provenance = {
        "prompt": "bark",
        "seed": "42",
        "model": "selva-echo",
        "weights_sha256": "0" * 64,
        "track": "Dog",
        **picture_provenance(shown, size_bytes=0),
    }
    path = tmp_path / "Dog.wav"
    tags = StemTags(provenance=provenance, sample_rate_hz=RATE_HZ)
    with path.open("wb") as file:
        write_wave(
            file, (), num_samples=3 * RATE_HZ, sample_rate_hz=RATE_HZ, before=tags.chunks_after_audio()
        )
        file.truncate(file.tell() + 9 * RATE_HZ)
    return path


def recipe() -> str:
    return json.dumps(
        {
            "schema": "selva.recipe/1", "track": "Dog", "prompt": "bark", "model": "selva-echo", "seed": 42, "take": 1,
            "sample_rate_hz": RATE_HZ, "num_steps": 25, "guidance": 4.5,
            "clip": {
                "name": "a.mov", "path": "/media/a.mov", "media_start_s": [3, 2], "speed": [1, 1], "record_start_s": [20, 1],
                "duration_s": [2, 1], "handle_before_s": [1, 2], "handle_after_s": [1, 2],
            },
        }
    )  # fmt: skip


def extend(
    file: Path,
    folder: Path,
    *,
    selected: tuple[float, float] | None = None,
    picture: tuple[float, float] | None = None,
    **changed: Any,
) -> PreparedRequest[PlanStem]:
    """Of an item from 20 s to 22 s that has half a second of its file on either side. picture: what its item shows."""
    source = {
        "type": "WAVE",
        "file": str(file),
        "length_s": 3.0,
        "section_offset_s": 0.0,
        "section_length_s": 0.0,
    }
    take = {
        "guid": "{TAKE}", "name": "Dog", "recipe": recipe(), "start_offset_s": 0.5, "play_rate": 1.0, "stretch_markers": 0,
        "sources": [source],
    }  # fmt: skip
    stem = {
        "guid": "{STEM}", "anchor": "{}", "picture_exists": True, "picture_guid": "{I}", "position_s": 20.0, "length_s": 2.0,
        "volume": 1.0, "loops": False, "muted": False, "stretch_markers": 0, "active_take": take, "takes": [take],
        "recipes": [recipe()], **changed,
    }  # fmt: skip
    shown = () if picture is None else (replace_item(picture),)
    values = json.loads(snapshot_text(*shown, anchored_stems=[stem]))
    if selected is not None:
        values["time_selection"] = {"start_s": selected[0], "end_s": selected[1]}
    return prepare_extend(parse_snapshot(json.dumps(values)), HostForm(), folder)


def replace_item(span: tuple[float, float]) -> Any:
    return item_of(position_s=span[0], length_s=span[1] - span[0], start_offset_s=1.5 - (20.0 - span[0]))


def added(prepared: PreparedRequest[PlanStem]) -> tuple[int, int]:
    """By how many samples the take goes on."""
    [task] = prepared.tasks
    assert task.jobs is not None
    redo = task.jobs[0].request.cues[0].takes[0].redo
    assert isinstance(redo, RedoRequest)
    return redo.extend_head_samples, redo.extend_tail_samples


@pytest.mark.parametrize(
    ("selected", "samples"),
    [((19.0, 24.0), (24_000, 72_000)), ((19.0, 21.0), (24_000, 0)), ((21.0, 24.0), (0, 72_000))],
    ids=["both sides", "head", "tail"],
)
def test_a_take_goes_on_by_what_its_handles_lack(
    stem_file: Path, tmp_path: Path, selected: tuple[float, float], samples: tuple[int, int]
) -> None:
    assert added(extend(stem_file, tmp_path, selected=selected)) == samples


def test_without_a_time_selection_a_stem_is_extended_to_its_picture(stem_file: Path, tmp_path: Path) -> None:
    assert added(extend(stem_file, tmp_path, picture=(19.0, 23.0))) == (24_000, 24_000)


def test_what_the_handles_hold_needs_no_render(stem_file: Path, tmp_path: Path) -> None:
    prepared = extend(stem_file, tmp_path, selected=(19.75, 22.25))
    assert list(prepared.tasks) == []
    [placed] = prepared.build_placements([])
    assert (placed.start_s, placed.length_s, placed.source_offset_s, placed.takes) == (19.75, 2.5, 0.25, ())


def test_a_stem_is_extended_as_far_as_its_media_has_picture_and_a_notice_says_so(
    stem_file: Path, tmp_path: Path
) -> None:
    """The media begins a second before what the file was made for, and ends six seconds after it."""
    prepared = extend(stem_file, tmp_path, selected=(10.0, 21.0), picture=(20.0, 22.0))
    head, tail = added(prepared)
    assert (RATE_HZ - 2 <= head <= RATE_HZ, tail) == (True, 0)
    assert "as far as its media has picture, from 18.500 s" in prepared.notices[0]
    head, tail = added(extend(stem_file, tmp_path, selected=(21.0, 60.0), picture=(20.0, 22.0)))
    assert (head, 6 * RATE_HZ - 2 <= tail <= 6 * RATE_HZ) == (0, True)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"locked": True}, "its item is locked"),
        ({"loops": True}, "it is looped"),
        ({"selected": (20.5, 21.5)}, "the time selection does not reach beyond it"),
        ({"selected": (30.0, 31.0)}, "the time selection does not touch it"),
        ({"selected": None}, "its picture is not in the project"),
    ],
)
def test_what_cannot_be_extended_is_refused_with_the_reason(
    stem_file: Path, tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(NothingToRenderError, match=says):
        extend(stem_file, tmp_path, **{"selected": (19.0, 24.0), **changed})
