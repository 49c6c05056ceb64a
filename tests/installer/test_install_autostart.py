"""What each system is given to start the daemon at log-in, and how it is taken back."""

from __future__ import annotations

import plistlib
import shlex
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.installer.install_doubles import Double, snapshot
from tests.installer.scripts import load_step_module

autostart = load_step_module("steps.autostart")
COMMAND = ["/home/Büro 犬/100%/$x/bin/python", "-m", "selva_cli"]


def test_a_systemd_unit_quotes_what_systemd_would_expand() -> None:
    unit = autostart.systemd_unit(COMMAND, {"SELVA_STATE_DIR": "/a b/50%"}).decode()
    assert 'ExecStart="/home/Büro 犬/100%%/$$x/bin/python" "-m" "selva_cli"\n' in unit
    assert 'Environment="SELVA_STATE_DIR=/a b/50%%"\n' in unit
    assert "WantedBy=default.target" in unit
    assert "Restart=on-failure" in unit


def test_a_quote_or_line_break_in_a_path_cannot_add_a_line_to_the_unit() -> None:
    quoted = autostart.quote_for_systemd('a"b\nExecStartPre=evil\\')
    assert quoted == '"a\\"b\\nExecStartPre=evil\\\\"'


def test_a_launchd_agent_names_the_command_word_by_word() -> None:
    found = plistlib.loads(autostart.launchd_agent(COMMAND, {"SELVA_STATE_DIR": "/s"}, "/p/log"))
    assert found["ProgramArguments"] == COMMAND
    assert found["EnvironmentVariables"] == {"SELVA_STATE_DIR": "/s"}
    assert found["KeepAlive"] == {"SuccessfulExit": False}


def test_a_scheduled_task_escapes_xml_and_quotes_for_windows() -> None:
    program = r"C:\R&D <x>\Büro\pythonw.exe"
    text = autostart.scheduled_task([program, "-X", "two words"], r"DOM\ed").decode("utf-16")
    root = ElementTree.fromstring(text.replace('encoding="UTF-16"', ""))  # noqa: S314 - our own text
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    action = root.find(".//t:Exec", space)
    assert action is not None
    assert action.findtext("t:Command", namespaces=space) == program
    assert action.findtext("t:Arguments", namespaces=space) == '-X "two words"'
    assert root.findtext(".//t:ExecutionTimeLimit", namespaces=space) == "PT0S"
    assert root.findtext(".//t:RunLevel", namespaces=space) == "LeastPrivilege"


@pytest.mark.parametrize(
    ("platform", "file", "registers", "unregisters"),
    [
        ("linux", ".config/systemd/user/selva-bridge.service", "systemctl --user enable selva-bridge.service",
         "systemctl --user disable --now selva-bridge.service"),
        ("darwin", "Library/LaunchAgents/org.selva-bridge.daemon.plist", "launchctl bootstrap gui/1000",
         "launchctl bootout gui/1000/org.selva-bridge.daemon"),
        ("win32", None, "schtasks /Create /TN 'Selva Bridge' /XML", "schtasks /Delete /TN 'Selva Bridge' /F"),
    ],
)  # fmt: skip
def test_autostart_is_registered_and_taken_back(
    platform: str, file: str | None, registers: str, unregisters: str, tmp_path: Path
) -> None:
    double = Double(tmp_path, platform=platform)
    machine = replace(double.machine, architecture="arm64")
    before = snapshot(double.folder)
    assert double.run("--autostart", machine=machine) == 0
    assert (double.home / file).is_file() if file else (double.prefix / "autostart.xml").is_file()
    assert any(shlex.join(arguments).startswith(registers) for arguments in double.commands)
    double.commands.clear()
    assert double.run(machine=machine) == 0
    assert not any(arguments[0] in ("systemctl", "launchctl", "schtasks") for arguments in double.commands)
    assert double.run("--uninstall", machine=machine) == 0
    assert any(shlex.join(arguments) == unregisters for arguments in double.commands)
    assert snapshot(double.folder) == before


def test_autostart_that_is_not_wanted_any_more_is_taken_back(tmp_path: Path) -> None:
    double = Double(tmp_path)
    unit = double.home / ".config" / "systemd" / "user" / "selva-bridge.service"
    assert double.run("--autostart") == 0
    assert unit.is_file()
    assert double.run("--no-autostart") == 0
    assert not unit.exists()


def test_where_systemd_does_not_answer_autostart_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    double = Double(tmp_path)
    double.broken["show-environment"] = "Failed to connect to bus\n"
    assert double.run("--autostart") == 1
    assert "systemd's manager of the user" in capsys.readouterr().err
    assert double.run("--no-autostart") == 0
