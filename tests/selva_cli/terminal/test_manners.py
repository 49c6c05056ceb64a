"""Pipes that end, disks that are full, terminals that are narrow or absent, and how much is written."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

from selva_cli.terminal.error_reporting import is_closed_pipe
from selva_core.base.paths import AppPaths
from tests.selva_cli.command_line import RunCommand, read_json
from tests.selva_cli.test_help import COMMANDS

GROUPS = sorted({path.split()[0] for path in COMMANDS if path})


def run(
    *arguments: str,
    stdout: int | IO[str] = subprocess.PIPE,
    stderr: int | IO[str] = subprocess.PIPE,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """`selva ARGUMENTS` as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "selva_cli", *arguments],
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, **(variables or {})},
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_below_the_output_is_one_line(paths: AppPaths) -> None:
    with open("/dev/full", "w") as full:
        done = run("config", "show", stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "selva: the output cannot be written: No space left on device\n",
    )


def end_reading_of(stream: str, *arguments: str) -> tuple[int, str]:
    """Status and the other stream of a command, the reader of whose `stream` has ended before anything is written."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, stdout=writer) if stream == "stdout" else run(*arguments, stderr=writer)
    finally:
        os.close(writer)
    return done.returncode, done.stderr if stream == "stdout" else done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize(
    "command", ["--help", "--version", "config show", "config show --json", "models list"]
)
def test_a_reader_that_has_read_enough_is_no_failure(command: str, paths: AppPaths) -> None:
    """As in `selva config show | head -1`."""
    assert end_reading_of("stdout", *command.split()) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
@pytest.mark.parametrize(("command", "status"), [("nonesuch", 2), ("config get nonesuch --json", 1)])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_command_that_fails_fails_also_where_nobody_reads(
    command: str, status: int, stream: str, paths: AppPaths
) -> None:
    found, other = end_reading_of(stream, *command.split())
    assert found == status
    assert "Traceback" not in other


@pytest.mark.parametrize(
    ("error", "platform", "is_closed"),
    [
        (BrokenPipeError(errno.EPIPE, "closed"), "linux", True),
        (OSError(errno.EINVAL, "invalid"), "win32", True),
        (OSError(errno.EINVAL, "invalid"), "linux", False),
        (OSError(errno.ENOSPC, "full"), "win32", False),
    ],
)
def test_a_closed_pipe_is_distinguished_from_a_full_disk_on_every_system(
    error: OSError, platform: str, is_closed: bool
) -> None:
    assert is_closed_pipe(error, platform=platform) is is_closed


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_are_no_fault(closed: str, paths: AppPaths) -> None:
    for arguments, status in (("config show", 0), ("config get nonesuch", 1), ("nonesuch", 2)):
        command = f"'{sys.executable}' -m selva_cli {arguments} {closed}"
        done = subprocess.run(
            ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("columns", ["20", "40"])
@pytest.mark.parametrize("group", GROUPS)
def test_help_fits_narrow_terminals(
    group: str, columns: str, selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", int(columns))
    status, output, errors = selva(group, "--help")
    assert (status, errors) == (0, "")
    assert max(map(len, output.splitlines())) <= int(columns)


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}])
def test_names_beyond_ascii_work_in_every_locale(variables: dict[str, str], paths: AppPaths) -> None:
    done = run("stems", "犬.mov", "-o", "犬", "--track", "Dog=犬", variables=variables)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "犬.mov" in done.stderr


@pytest.mark.parametrize("option", ["--quiet", "-q"])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_quiet_may_stand_anywhere_and_leaves_results_and_errors(
    option: str, place: int, selva: RunCommand, paths: AppPaths
) -> None:
    arguments = ["config", "set", "port", "2000"]
    assert selva(*arguments)[1] != ""
    assert selva(*arguments[:place], option, *arguments[place:]) == (0, "", "")
    assert selva("config", "get", "port", option) == (0, "2000\n", "")
    assert "did you mean" in selva("config", "get", "prot", option)[2]


def test_verbose_adds_code_and_facts_of_an_error(selva: RunCommand, paths: AppPaths) -> None:
    plain = selva("models", "pull", "selva-nan")[2]
    assert plain.count("\n") == 1
    assert "did you mean 'selva-nano'?" in plain
    detailed = selva("--verbose", "models", "pull", "selva-nan")[2]
    assert "code: model-unknown" in detailed
    assert "model: selva-nan" in detailed


def test_what_follows_two_dashes_is_left_alone(selva: RunCommand, paths: AppPaths) -> None:
    assert "'--quiet'" in selva("config", "get", "--", "--quiet")[2]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("rendr",), "render"),
        (("config", "shwo"), "show"),
        (("stems", "a.mov", "--trak", "x"), "--track"),
        (("host", "check", "reapr"), "reaper"),
        (("jobs", "list", "--state", "runing"), "running"),
        (("models", "pull", "selva-smal-16k"), "selva-small-16k"),
        (("doctor", "--only", "tocrh"), "torch"),
        (("config", "get", "keepalive"), "keep_alive_s"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(
    arguments: tuple[str, ...], meant: str, selva: RunCommand, paths: AppPaths
) -> None:
    status, output, errors = selva(*arguments)
    assert status in (1, 2)
    assert output == ""
    assert meant in errors


def test_no_colour_reaches_a_pipe(paths: AppPaths) -> None:
    for arguments in (("doctor", "--only", "python"), ("nonesuch",)):
        done = run(*arguments, variables={"NO_COLOR": "1"})
        assert "\x1b" not in done.stdout + done.stderr


def test_json_stays_json_beside_notes(selva: RunCommand, paths: AppPaths) -> None:
    assert read_json(selva("config", "get", "port", "--json", "-v"))["name"] == "port"
    assert json.loads(selva("config", "get", "prot", "--json")[1])["error"]["code"] == "configuration"
