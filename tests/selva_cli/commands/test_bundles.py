"""What `selva render` and `selva spot` refuse beside a request bundle, which says itself what is heard and how."""

from __future__ import annotations

import json
from pathlib import Path

import opentimelineio as otio
import pytest

from tests.selva_cli.command_line import run

pytestmark = pytest.mark.usefixtures("no_daemon")


@pytest.fixture
def bundle(cut: Path, tmp_path: Path) -> Path:
    """A bundle that names its track and its model."""
    path = tmp_path / "cut.selva"
    timeline = otio.adapters.read_from_file(str(cut))
    otio.adapters.write_to_file(timeline, str(path), tracks={"Dog": "small dog barking"}, model="selva-echo")
    return path


@pytest.mark.parametrize(
    "options", [("--takes", "2"), ("--track", "Cat=a cat"), ("--no-markers",), ("--stems-dir", "x")]
)
def test_options_that_a_bundle_sets_itself_are_refused(bundle: Path, options: tuple[str, ...]) -> None:
    result = run("render", bundle, *options)
    assert result.exit_code == 2
    assert "says itself" in result.output


def test_another_model_than_the_bundle_names_is_refused(bundle: Path) -> None:
    result = run("render", bundle, "--model", "selva-nano", "--json")
    assert result.exit_code == 1
    assert "selva-echo" in json.loads(result.stdout)["error"]["message"]


def test_its_cues_are_shown_without_a_daemon(bundle: Path) -> None:
    """The twin of the refusals."""
    result = run("spot", bundle, "--json")
    assert result.exit_code == 0, result.output
    [cue] = json.loads(result.stdout)["cues"]
    assert (cue["track"], cue["prompt"]) == ("Dog", "small dog barking")


def test_a_file_that_selva_did_not_write_is_not_replaced_by_the_timeline_of_a_bundle(bundle: Path) -> None:
    out = bundle.parent / "mine.otio"
    out.write_text("work")
    result = run("render", bundle, "-o", out, "--json")
    assert "was not written by Selva" in json.loads(result.stdout)["error"]["message"]
    assert out.read_text() == "work"
    accepted = run("render", bundle, "-o", out, "--replace")
    assert isinstance(accepted.exception, AssertionError)  # the next step, which `no_daemon` forbids
