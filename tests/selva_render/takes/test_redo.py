"""From the file of a take to the next take of it, through a real daemon."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from selva_core.audio.stem_file import read_stem_file
from selva_core.base.errors import MediaNotFoundError, RequestError
from selva_core.base.limits import MAX_SEED
from selva_daemon.client.client import Client
from selva_daemon.protocol.recipe import StemRecipe
from selva_otio.formats.stem_metadata import read_pan_width
from selva_otio.placement.place_stems import describe_take
from selva_render.redo import Redo, build_redo_job, build_take_name, find_media, next_take, redo_stem, to_take
from tests.support.daemons import JobMaker, StartServer


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Dog_shot-A_t01_01-00-05-12_0123456789.wav", "Dog_shot-A_t07_01-00-05-12"),
        (
            "ANMLDog_Bark_SELVA_cut_shot-A-t02-01-00-05-12_0123456789_2.wav",
            "ANMLDog_Bark_SELVA_cut_shot-A-t07-01-00-05-12",
        ),
        ("mine.wav", "mine_t07"),
    ],
)
def test_the_name_of_a_take_has_its_number(name: str, expected: str) -> None:
    assert build_take_name(Path(name), 7) == expected


def test_a_stretch_is_made_anew_beside_the_take_with_the_next_number_and_seed(
    start_server: StartServer, client: Client, make_job: JobMaker, clip: Path
) -> None:
    [first, second] = client.wait(client.submit(make_job(num_takes=2)).job_id).raise_for_state().stems
    stem = read_stem_file(Path(first.file))
    assert next_take(stem) == 3
    redo = Redo(stem=stem, start_sample=6000, end_sample=9000, prompt="a bell")
    seen: list[str] = []
    result = redo_stem(
        build_redo_job(redo, media=clip), client=client, on_status=lambda status: seen.append(status.state)
    )
    assert (result.take, result.seed, seen[-1]) == (3, 2, "done")
    assert Path(result.file).parent == stem.path.parent
    before, after = (soundfile.read(each.file, dtype="int32")[0] for each in (first, result))
    changed = np.flatnonzero(before != after)
    assert changed.size
    assert changed.min() >= 6000 - 4800
    assert changed.max() < 9000 + 4800
    again = read_stem_file(Path(result.file))
    assert [each.prompt for each in StemRecipe.parse(again.provenance, name="").stretches] == ["a bell"]
    assert (again.labels, again.time_reference_samples) == (stem.labels, stem.time_reference_samples)
    assert next_take(again) == 4
    assert second.take == 2


def test_new_take_is_noted_with_how_the_stem_was_made(
    start_server: StartServer, client: Client, make_job: JobMaker
) -> None:
    job = make_job(separate=0.5)
    [result] = client.wait(client.submit(job).job_id).raise_for_state().stems
    noted = dict(to_take(result, job).provenance)
    assert noted.items() >= {"model": job.model, "num_steps": job.num_steps, "separate": 0.5}.items()


def test_a_take_of_a_stem_with_a_pan_envelope_gets_its_own(
    start_server: StartServer, client: Client, make_job: JobMaker, clip: Path
) -> None:
    """The envelope lies on the timeline alone: what is redone from a file that nothing is known of has none."""
    [result] = client.wait(client.submit(make_job()).job_id).raise_for_state().stems
    stem = read_stem_file(Path(result.file))
    plain = build_redo_job(Redo(stem=stem, start_sample=0, end_sample=100), media=clip)
    panned = build_redo_job(Redo(stem=stem, start_sample=0, end_sample=100, pan_envelope=0.5), media=clip)
    assert [(job.pan, job.pan_width) for job in (plain, panned)] == [("off", 1.0), ("envelope", 0.5)]
    result = msgspec.structs.replace(result, pan=((0.0, -0.2), (0.3, 0.4)))
    assert dict(to_take(result, panned).provenance)["pan_width"] == 0.5
    noted = describe_take(to_take(result, panned))
    assert [read_pan_width(each) for each in (noted, {**noted, "pan": []})] == [0.5, None]
    assert read_pan_width(describe_take(to_take(result, plain))) == 1.0


def test_media_is_found_beside_the_stem_and_above_it_and_not_elsewhere(
    start_server: StartServer, client: Client, make_job: JobMaker, clip: Path, tmp_path: Path
) -> None:
    [first] = client.wait(client.submit(make_job()).job_id).raise_for_state().stems
    stem = read_stem_file(Path(first.file))
    with pytest.raises(MediaNotFoundError, match="--media"):
        find_media(stem)
    copy = stem.path.parents[1] / clip.name
    copy.write_bytes(clip.read_bytes())
    assert find_media(stem) == copy


def test_what_is_no_stem_or_no_stretch_of_one_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(100), 48_000, subtype="PCM_24")
    stem = read_stem_file(tmp_path / "other.wav")
    with pytest.raises(RequestError, match="no stem of Selva Bridge"):
        build_redo_job(Redo(stem=stem, start_sample=0, end_sample=100), media=tmp_path / "a.mov")
    with pytest.raises(RequestError, match="a stretch lies in the stem"):
        Redo(stem=stem, start_sample=0, end_sample=101)
    with pytest.raises(RequestError, match="a prompt says what is heard"):
        Redo(stem=stem, start_sample=0, end_sample=100, prompt=" ")
    for seed in (-1, MAX_SEED + 1):
        with pytest.raises(RequestError, match=f"a seed is an integer from 0 to {MAX_SEED}"):
            Redo(stem=stem, start_sample=0, end_sample=100, seed=seed)
    assert Redo(stem=stem, start_sample=0, end_sample=100, seed=MAX_SEED).seed == MAX_SEED
