"""The bridge as a host starts it: no standard streams, a code page that holds no 犬, and a log that says what it did."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from selva_plugins import bridge_log
from selva_plugins.bridge_log import find_log_file, open_log
from selva_plugins.bridge_start import check_start
from selva_plugins.hosts.script_install import build_bridge_command, run_without_streams


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELVA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    monkeypatch.setenv("PYTHONUTF8", "0")


def test_reaper_bridge_answers_a_request_without_standard_streams(tmp_path: Path) -> None:
    folder = tmp_path / "犬" / "20260101T000000Z-abc"
    folder.mkdir(parents=True)
    (folder / "request.json").write_text("{}", encoding="utf-8")
    assert run_without_streams([*build_bridge_command("reaper"), str(folder)], timeout_s=60) == 0
    assert json.loads((folder / "status.json").read_text(encoding="utf-8"))["state"] == "failed"
    assert f"answered {folder}" in find_log_file("reaper").read_text(encoding="utf-8")


def test_check_starts_the_bridge_of_reaper_and_finds_its_log() -> None:
    log = find_log_file("reaper")
    command = build_bridge_command("reaper")
    assert check_start(command, host_name="REAPER", log=log)["level"] == "ok"
    log.unlink()
    log.mkdir()
    failed = check_start(command, host_name="REAPER", log=log)
    assert (failed["level"], "when REAPER starts it" in failed["text"]) == ("fault", True)


def test_log_holds_every_name_and_what_ended_the_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    # A line that is no UTF-8 would end the process that reports on tests run side by side.
    monkeypatch.setattr(logging.getLogger("selva_plugins"), "propagate", False)

    def fail() -> None:
        with open_log("reaper") as write_line:
            write_line("clip 犬 \udcff")
            raise RuntimeError("the disk went away")

    with pytest.raises(RuntimeError):
        fail()
    text = find_log_file("reaper").read_text(encoding="utf-8")
    assert "clip 犬" in text
    assert "RuntimeError: the disk went away" in text


def test_long_log_is_set_aside_and_a_short_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log("reaper") as write_line:
        write_line("first")
    with open_log("reaper") as write_line:
        write_line("second")
    log = find_log_file("reaper")
    assert "first" in log.read_text(encoding="utf-8")
    monkeypatch.setattr(bridge_log, "MAX_LOG_BYTES", 10)
    with open_log("reaper") as write_line:
        write_line("third")
    assert "first" not in log.read_text(encoding="utf-8")
    assert "first" in log.with_name(f"{log.name}.1").read_text(encoding="utf-8")
