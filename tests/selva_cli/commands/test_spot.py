"""`selva spot`: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.selva_cli.command_line import DOG, run

pytestmark = pytest.mark.usefixtures("no_daemon")


def test_spot_shows_the_cues_as_table_json_and_a_sheet_that_reads_back(cut: Path) -> None:
    table = run("spot", cut, *DOG)
    assert table.exit_code == 0
    assert "small dog barking" in table.stdout
    assert table.stderr == "1 cue, 1 track, 1 shot, 1 stem; 0.5 s of sound\n"
    described = json.loads(run("spot", cut, *DOG, "--json", "--takes", "2").stdout)
    (cue,) = described["cues"]
    assert (cue["clip"], cue["record_end"], cue["takes"], cue["asked_by"]) == ("a", [1, 2], 2, "track prompt")
    sheet = cut.parent / "cues.csv"
    sheet.write_text(run("spot", cut, *DOG, "--csv").stdout, encoding="utf-8")
    (again,) = json.loads(run("spot", cut, "--cues", sheet, "--json").stdout)["cues"]
    assert {**again, "asked_by": "", "takes": 0} == {**cue, "asked_by": "", "takes": 0}


def test_spot_says_what_a_published_model_takes_of_a_gpu(cut: Path) -> None:
    seen = run("spot", cut, *DOG, "--model", "selva-small-16k")
    assert seen.exit_code == 0
    assert "selva-small-16k takes about 4.5 GB of a GPU, or 2.0 GB with the setting memory low" in seen.stderr
    assert "GPU" not in run("spot", cut, *DOG, "--model", "selva-nano").stderr


def test_a_narrow_terminal_shortens_prompts_but_no_times(cut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    prompt = "a small dog that barks at the postman, at great length"
    seen = run("spot", cut, "--track", f"Dog={prompt}").stdout
    assert prompt not in seen
    for whole in ("00:00:00:12", "00:00:00:00 - 00:00:00:12", "0.50"):
        assert whole in seen
    assert "WARNINGS" not in seen, "there are none"
    monkeypatch.delenv("FORCE_COLOR")
    plain = run("spot", cut, "--track", f"Dog={prompt}").stdout
    assert prompt in plain
    assert "WARNINGS" in plain
