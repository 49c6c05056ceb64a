"""How the files of a render are named and signed, through a real daemon and the command line."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from selva_cli.app import app
from selva_core.audio.wav import iter_text_chunks
from selva_otio import load_timeline
from tests.selva_otio.cuts import CutBuilder
from tests.support.daemons import StartServer
from tests.support.flashes import write_cut, write_flashing_clip

TRACKS = ("--track", "Dog=small dog barking", "--track", "犬=犬が吠える")


def render(cut: Path, *options: str | Path, status: int = 0) -> Any:
    arguments = ["render", str(cut), "-o", str(cut.with_name("out.otio")), "--model", "selva-echo", "--json"]
    result = CliRunner().invoke(app, [*arguments, *TRACKS, *map(str, options)])
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Two clips of one name, which begin within the same frame label of two takes."""
    path = write_flashing_clip(tmp_path / "shot.mov", rate=Fraction(25), num_frames=40, flashes={10})
    builder = CutBuilder(rate_hz=25.0, media_num_frames=40, media_url=path.as_uri())
    track = builder.track(
        builder.clip("shot A", offset=0, frames=20), builder.clip("shot A", offset=20, frames=20)
    )
    return write_cut(builder.timeline(track), tmp_path / "cut.otio")


def chunk_ids(path: Path) -> list[bytes]:
    with path.open("rb") as file:
        return [chunk.chunk_id for chunk in iter_text_chunks(file)]


def test_files_are_named_by_track_clip_take_and_timecode(start_server: StartServer, cut: Path) -> None:
    start_server()
    stems = render(cut, "--takes", "2")["stems"]
    names = [Path(stem["file"]).name for stem in stems]
    assert len({name.casefold() for name in names}) == len(names) == 8
    assert sum(name.startswith("Dog_shot-A_t02_00-00-00-20_") for name in names) == 1
    assert sum(name.startswith("犬_shot-A_t01_00-00-00-00_") for name in names) == 1


def test_files_are_named_as_the_universal_category_system_has_it(
    start_server: StartServer, cut: Path
) -> None:
    start_server()
    stems = render(cut, "--naming", "ucs")["stems"]
    names = [Path(stem["file"]).name for stem in stems]
    assert sum(name.startswith("ANMLDog_SmallDogBarking_SELVA_cut_shot-A-t01-") for name in names) == 2
    assert sum(name.startswith("DSGNMisc_犬が吠える_SELVA_cut_shot-A-t01-") for name in names) == 2
    placed = load_timeline(cut.with_name("out.otio"))
    assert [len(list(track.find_clips())) for track in placed.tracks] == [2, 2, 2]


def test_another_way_to_name_files_is_refused(cut: Path) -> None:
    assert "timecode, ucs" in render(cut, "--naming", "poetry", status=1)["error"]["message"]


def test_signed_stems_are_found_again_and_sound_as_unsigned_ones(
    start_server: StartServer, cut: Path, tmp_path: Path
) -> None:
    pytest.importorskip(
        "c2pa", reason="the package c2pa-python is not installed: signed stems are not checked"
    )
    from tests.selva_core.signing import make_signer  # noqa: PLC0415 - needs cryptography

    start_server()
    signer = make_signer(tmp_path)
    options = ("--c2pa", signer.certificate, signer.key)
    unsigned, signed, again = (
        render(cut)["stems"],
        render(cut, *options)["stems"],
        render(cut, *options)["stems"],
    )
    assert [stem["file"] for stem in signed] == [stem["file"] for stem in again]
    for plain, stem in zip(unsigned, signed, strict=True):
        assert plain["file"] != stem["file"]
        assert chunk_ids(Path(stem["file"])) == [*chunk_ids(Path(plain["file"])), b"C2PA"]
        one, other = (soundfile.read(found["file"], dtype="int32")[0] for found in (plain, stem))
        assert np.array_equal(one, other)
    renewed = make_signer(tmp_path)
    assert {
        stem["file"] for stem in render(cut, "--c2pa", renewed.certificate, renewed.key)["stems"]
    }.isdisjoint(stem["file"] for stem in signed)


def test_a_key_that_is_not_there_is_named_before_anything_runs(cut: Path, tmp_path: Path) -> None:
    refused = render(cut, "--c2pa", tmp_path / "no.pem", tmp_path / "no.key", status=1)
    assert "no.pem" in refused["error"]["message"]
    assert not (tmp_path / "stems").exists()
