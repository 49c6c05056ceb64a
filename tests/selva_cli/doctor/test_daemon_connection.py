"""The daemon and what stands between it and its clients."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

from selva_cli.doctor.daemon_connection import (
    check_daemon,
    check_ports,
    find_loopback_problem,
    firewall_command,
)
from selva_cli.doctor.models import check_models
from selva_core.base.paths import AppPaths
from selva_core.base.settings import Settings
from selva_daemon.client.client import Client
from tests.selva_cli.doctor.systems import build_system, levels

EARLIER = Path(__file__).parents[2] / "data" / "daemon_0_1_0" / "connection.json"


def test_a_daemon_that_does_not_run_is_no_fault(tmp_path: Path) -> None:
    assert levels(check_daemon(build_system(tmp_path))) == {"Daemon": "ok"}


def test_a_daemon_that_answers_is_a_line_and_one_that_waits_a_warning(
    client: Client, paths: AppPaths
) -> None:
    system = build_system(paths.state, paths=paths)
    assert levels(check_daemon(system)) == {"Daemon": "ok"}
    client.pause()
    assert levels(check_daemon(system)) == {"Daemon": "ok", "Queue": "warning"}


def test_what_a_crash_left_is_removed_by_the_fix(tmp_path: Path) -> None:
    system = build_system(tmp_path)
    system.paths.state.mkdir(mode=0o700)
    values = {**json.loads(EARLIER.read_text()), "pid": 2**22 + 12345}
    system.paths.connection_file.write_text(json.dumps(values))
    system.paths.connection_file.chmod(0o600)
    (line,) = check_daemon(system)
    assert line.level == "warning"
    assert line.fix is not None
    line.fix()
    assert levels(check_daemon(system)) == {"Daemon": "ok"}


def test_a_file_of_another_machine_that_describes_none_is_a_fault(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    other.chmod(0o600)
    paths = AppPaths(state=tmp_path, cache=tmp_path, config=tmp_path, other_daemon=other)
    (line,) = check_daemon(build_system(tmp_path, paths=paths))
    assert (line.level, line.remedy) == ("fault", "unset SELVA_CONNECTION_FILE")


def test_a_connection_within_the_machine_comes_through() -> None:
    assert find_loopback_problem() is None


def test_a_loopback_that_is_blocked_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> socket.socket:
        raise PermissionError("blocked")

    monkeypatch.setattr("socket.create_connection", refuse)
    for platform in ("linux", "darwin", "win32"):
        found = list(check_ports(build_system(tmp_path, platform=platform)))
        assert (found[0].level, bool(found[0].remedy)) == ("fault", True)


def test_a_port_that_another_program_has_is_a_fault(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        if port > 65_533:
            pytest.skip("the system chose one of the last ports")
        system = build_system(tmp_path, environment={"SELVA_PORT": str(port)})
        assert levels(check_ports(system))["Ports"] == "fault"


@pytest.mark.parametrize(
    ("platform", "programs", "command"),
    [
        ("linux", (), "sudo ufw allow 42000:42002/tcp"),
        ("linux", ("firewall-cmd",), "sudo firewall-cmd --add-port=42000-42002/tcp"),
        ("darwin", (), "socketfilterfw --unblockapp"),
        ("win32", (), "localport=42000-42002"),
    ],
)
def test_each_system_has_its_command_that_opens_the_ports(
    platform: str, programs: tuple[str, ...], command: str, tmp_path: Path
) -> None:
    system = build_system(tmp_path, platform=platform, which=lambda name: name if name in programs else None)
    settings = Settings(port=42_000, listen="192.168.1.5")
    assert command in firewall_command(system, settings)


def test_models_that_are_whole_torn_and_named_by_the_settings(tmp_path: Path) -> None:
    variables = {"SELVA_MODELS_DIR": str(tmp_path / "models"), "SELVA_MODEL": "selva-small-16k"}
    system = build_system(tmp_path, environment=variables)
    found = levels(check_models(system))
    assert (found["selva-nano"], found["Model of the settings"]) == ("ok", "fault")
    generator = tmp_path / "models" / "jnwnlee--SelVA" / "weights" / "generator_small_16k_sup_5.pth"
    generator.parent.mkdir(parents=True)
    generator.write_bytes(b"x")
    (generator.parent / "other.pth.part").write_bytes(b"half")
    found = levels(check_models(system))
    assert (found["selva-small-16k"], found["Downloads"]) == ("warning", "warning")
    shutil.rmtree(tmp_path / "models")
