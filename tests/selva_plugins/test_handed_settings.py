"""What `selva host install` found is used by the bridge that the host starts; `selva host check` says where it is not so."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_plugins.handed_settings import (
    HANDED,
    build_options,
    describe_difference,
    parse_settings,
    read_command,
)
from selva_plugins.hosts.reaper.check import check_setup as check_reaper
from selva_plugins.hosts.reaper.install import install as install_reaper
from selva_plugins.hosts.resolve.install import build_start_command, read_handed
from selva_plugins.hosts.resolve.install import install as install_resolve
from selva_plugins.hosts.script_install import build_bridge_command

HERE = {"SELVA_STATE_DIR": "/data/my state", "SELVA_CONNECTION_FILE": "/keys/a=b.json", "SELVA_DEVICE": "cpu"}


def test_only_what_says_where_the_daemon_is_is_handed_over() -> None:
    assert build_options(HERE) == [
        "--set=SELVA_STATE_DIR=/data/my state",
        "--set=SELVA_CONNECTION_FILE=/keys/a=b.json",
    ]
    assert build_options({"SELVA_STATE_DIR": ""}) == []


def test_the_command_line_gives_back_what_was_put_in() -> None:
    command = build_bridge_command("reaper", environment=HERE)
    expected = {name: HERE[name] for name in HANDED if name in HERE}
    assert read_command(command) == expected
    assert read_command(build_bridge_command("reaper", environment={})) == {}


@pytest.mark.parametrize("text", ["PATH=/evil", "SELVA_STATE_DIR", "SELVA_STATE_DIR=", "=x"])
def test_other_variables_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="SELVA_STATE_DIR, SELVA_CACHE_DIR"):
        parse_settings([text])


def test_windows_passes_a_path_beyond_ascii_by_its_short_name() -> None:
    line = build_start_command(
        ["C:\\py\\pythonw.exe", "--set=SELVA_STATE_DIR=C:\\Jörg\\state"],
        platform="win32",
        short_path=lambda path: str(path).replace("Jörg", "JRG~1"),
    )
    assert line == 'start "" /B "C:\\py\\pythonw.exe" "--set=SELVA_STATE_DIR=C:\\JRG~1\\state"'


def test_a_posix_shell_gets_each_option_as_one_word() -> None:
    line = build_start_command(["python3", *build_options(HERE)], platform="linux")
    assert "--set=SELVA_STATE_DIR=/data/my state" in shlex.split(line)


def test_differences_are_named_with_both_values() -> None:
    assert describe_difference({}, {}) is None
    assert describe_difference({"SELVA_STATE_DIR": "/a"}, {"SELVA_STATE_DIR": "/a"}) is None
    assert describe_difference({"SELVA_STATE_DIR": "/a"}, {"SELVA_CACHE_DIR": "/c"}) == (
        "SELVA_STATE_DIR is /a in the host and not set here; SELVA_CACHE_DIR is not set in the host and /c here"
    )


@pytest.fixture
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in HANDED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SELVA_STATE_DIR", str(tmp_path / "my state"))


@pytest.mark.usefixtures("_state")
def test_reaper_s_check_sees_a_terminal_with_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource_path = tmp_path / "REAPER"
    resource_path.mkdir()
    (resource_path / "reaper.ini").touch()
    install_reaper(resource_path)

    def bridge() -> dict[str, str]:
        found = {each["title"]: each for each in check_reaper(resource_path)}
        assert found["Start of the bridge"]["level"] == "ok"
        return {"level": found["Bridge"]["level"], "text": found["Bridge"]["text"]}

    assert bridge()["level"] == "ok"
    monkeypatch.setenv("SELVA_STATE_DIR", str(tmp_path / "other"))
    assert bridge()["level"] == "warning"
    assert (
        f"SELVA_STATE_DIR is {tmp_path / 'my state'} in the host and {tmp_path / 'other'} here"
        in bridge()["text"]
    )


@pytest.mark.usefixtures("_state")
def test_resolves_entries_hold_what_the_installer_found(tmp_path: Path) -> None:
    fusion = tmp_path / "Fusion"
    (fusion / "Profiles").mkdir(parents=True)
    install_resolve(fusion)
    entry = next(fusion.rglob("Generate stems.lua")).read_text(encoding="utf-8")
    assert read_handed(entry) == {"SELVA_STATE_DIR": str(tmp_path / "my state")}
    assert f"--set=SELVA_STATE_DIR={tmp_path / 'my state'}" in entry


@pytest.mark.usefixtures("_state")
@pytest.mark.parametrize("host", ["reaper", "resolve"])
def test_a_bridge_that_is_started_without_any_variable_uses_them(tmp_path: Path, host: str) -> None:
    """As a host starts it: from a dock, with none of the terminal's variables."""
    command = [*build_bridge_command(host), "--check-start", "as the host"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("SELVA_")}
    done = subprocess.run(command, env=bare, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    log = tmp_path / "my state" / f"{host}-bridge.log"
    assert "as the host" in log.read_text(encoding="utf-8")
