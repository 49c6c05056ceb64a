"""The JSON Schemas of `--json`: as they are written, and against what the commands really print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from selva_cli.app import app
from selva_core.base.paths import AppPaths
from selva_render.json_schemas import OUTPUTS, build_schemas, main
from selva_render.watch.folder import opened_journal
from selva_render.watch.journal_records import FAILED, ItemRecord
from tests.support.daemons import StartServer

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "json"
DOG = ("--track", "Dog=small dog barking")


def run(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.stdout


def check(name: str, printed: str) -> Any:
    """The output, which its schema allows; and names every field of, so that none is undocumented."""
    value = json.loads(printed)
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(value, close_objects(schema))
    return value


def close_objects(schema: Any) -> Any:
    """The schema without its leave for fields of later versions."""
    if isinstance(schema, list):
        return [close_objects(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_objects(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def test_the_schemas_that_are_written_are_those_of_the_types() -> None:
    assert main([str(FOLDER), "--check"]) == 0
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.schema.json" for name in OUTPUTS}


def test_a_schema_that_is_out_of_date_is_found(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert main([str(tmp_path), "--check"]) == 0
    (tmp_path / "spot.schema.json").write_text("{}", encoding="utf-8")
    assert main([str(tmp_path), "--check"]) == 1


@pytest.mark.parametrize("name", list(OUTPUTS))
def test_each_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(build_schemas()[name])


def test_what_commands_print_is_what_the_schemas_say(start_server: StartServer, cut: Path) -> None:
    start_server()
    out = cut.parent / "out.otio"
    echo = ("--model", "selva-echo")
    assert check("spot", run("spot", cut, *DOG, *echo, "--json"))["cues"]
    assert "presence" in check("spot", run("spot", cut, *DOG, *echo, "--look", "--json"))["cues"][0]
    assert check("render", run("render", cut, "-o", out, *DOG, *echo, "--json"))["stems"]
    stems = run("stems", cut.parent / "shot.mov", "-o", cut.parent / "more", *DOG, *echo, "--json")
    assert check("render", stems)["timeline"] is None
    conformed = check("conform", run("conform", out, cut, "-o", cut.parent / "again.otio", "--json"))
    assert conformed["shots"][0]["changes"] == ["kept"]
    (first, *_) = check("jobs", run("jobs", "list", "--json"))
    check("watch", run("jobs", "show", first["job_id"], "--json"))
    for line in run("jobs", "watch", first["job_id"], "--json").splitlines():
        check("watch", line)


def test_what_commands_of_watch_folders_print_is_what_the_schemas_say(
    paths: AppPaths, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    options = ("--hook", "mail", "--settle", "2", "--takes", "2", "-o", tmp_path / "out")
    assert check("watch-add", run("watch", "add", folder, *options, "--json"))["takes"] == 2
    with opened_journal(paths) as journal:
        journal.write_items(
            [ItemRecord(folder=folder, name="a.mov", state=FAILED, outcome=FAILED, fingerprint=())]
        )
    assert check("watch-list", run("watch", "list", "--json"))["folders"][0]["items"]["failed"] == 1
    assert check("watch-items", run("watch", "list", folder, "--json"))["items"][0]["name"] == "a.mov"
    for command in (("pause",), ("resume",), ("again",), ("forget",), ("remove",)):
        check("watch-change", run("watch", *command, folder, "--json"))


def test_what_a_refused_command_prints_is_what_the_schema_says(
    cut: Path, selva: Any, no_daemon: None
) -> None:
    for arguments in (
        ("render", str(cut), "-o", str(cut), *DOG),
        ("jobs", "list"),
        ("spot", "none.otio", *DOG),
    ):
        status, printed, _ = selva(*arguments, "--json")
        assert status == 1
        assert check("error", printed)["error"]["message"]
