"""Installing, going on, upgrading, repairing and removing, with programs replaced by their effects."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.installer.fake_wheels import write_product
from tests.installer.install_doubles import Double, Interruption, command, snapshot
from tests.installer.scripts import load_step_module

posix_only = pytest.mark.skipif(os.name == "nt", reason="links")


@pytest.fixture
def double(tmp_path: Path) -> Double:
    return Double(tmp_path)


def test_an_installation_can_be_used_and_is_gone_without_a_trace_when_removed(double: Double) -> None:
    before = snapshot(double.folder)
    assert double.run() == 0
    assert (double.prefix / "selva").resolve() == double.prefix / "env-1" / "bin" / "selva"
    assert (double.home / ".local" / "bin" / "selva").resolve() == double.prefix / "env-1" / "bin" / "selva"
    assert not (double.prefix / "downloads").exists()
    for name in ("state", ".cache/selva-bridge", "config"):  # as the product makes them when it is used
        (double.home / name).mkdir(parents=True)
        (double.home / name / "file").touch()
    assert double.run("--uninstall") == 0
    assert snapshot(double.folder) == before


def test_a_second_run_changes_nothing(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    assert double.run() == 0
    before = snapshot(double.folder)
    double.commands.clear()
    assert double.run() == 0
    after = snapshot(double.folder)
    assert [
        name for name in after if before.get(name) != after[name] and not name.endswith("install.log")
    ] == []
    assert not any("install" in arguments and "pip" in arguments for arguments in double.commands)
    capsys.readouterr()


@posix_only
def test_stopped_at_any_moment_it_goes_on_to_the_same_installation(tmp_path: Path) -> None:
    whole = Double(tmp_path / "whole")
    whole.daemon_file.parent.mkdir(parents=True)
    whole.daemon_file.write_text("earlier", encoding="utf-8")
    options = ("--models-dir", "~/big/models")
    assert whole.run(*options) == 0
    expected = _comparable(whole)
    moments = whole.interruption.count
    assert moments > 30
    for at in range(moments):
        stopped = Double(tmp_path / f"stopped-{at}", wheels=whole.wheels)
        stopped.daemon_file.parent.mkdir(parents=True)
        stopped.daemon_file.write_text("earlier", encoding="utf-8")
        stopped.interruption = Interruption(at)
        assert stopped.run(*options) == 130
        stopped.interruption = Interruption()
        assert stopped.run(*options) == 0
        assert _comparable(stopped) == expected, at


@posix_only
def test_stopped_at_any_moment_it_can_be_removed_without_a_trace(tmp_path: Path) -> None:
    whole = Double(tmp_path / "whole")
    assert whole.run("--cache-dir", "~/big/cache") == 0
    for at in range(whole.interruption.count):
        stopped = Double(tmp_path / f"stopped-{at}", wheels=whole.wheels)
        before = snapshot(stopped.folder)
        stopped.interruption = Interruption(at)
        assert stopped.run("--cache-dir", "~/big/cache") == 130
        stopped.interruption = Interruption()
        is_begun = (stopped.prefix / "install-record.json").exists()
        assert stopped.run("--uninstall") == (0 if is_begun else 1)
        assert snapshot(stopped.folder) == before, at


def _comparable(double: Double) -> dict[str, str]:
    """Files with the paths of this double taken out; the log and the record of the steps differ by right."""
    found = snapshot(double.folder)
    return {
        name: text.replace(str(double.folder), "FOLDER")
        for name, text in found.items()
        if not name.startswith("wheels") and not name.endswith(("install.log", "install-record.json"))
    }


@posix_only
def test_removing_that_is_stopped_at_any_moment_can_be_ended(tmp_path: Path) -> None:
    whole = Double(tmp_path / "whole")
    assert whole.run() == 0
    whole.interruption = Interruption()
    assert whole.run("--uninstall") == 0
    for at in range(whole.interruption.count):
        stopped = Double(tmp_path / f"stopped-{at}", wheels=whole.wheels)
        before = snapshot(stopped.folder)
        assert stopped.run() == 0
        stopped.interruption = Interruption(at)
        assert stopped.run("--uninstall") == 130
        stopped.interruption = Interruption()
        assert stopped.run("--uninstall") == 0
        assert snapshot(stopped.folder) == before, at


@posix_only
def test_an_upgrade_drains_the_daemon_and_starts_the_new_one(double: Double) -> None:
    assert double.run() == 0
    double.daemon_file.parent.mkdir(parents=True)
    double.daemon_file.write_text("env-1", encoding="utf-8")
    write_product(double.wheels, "9.1.0")
    assert double.run("--upgrade") == 0
    assert "env-2" in double.daemon_file.read_text(encoding="utf-8")
    assert sorted(path.name for path in double.prefix.glob("env-*")) == ["env-2"]
    assert (double.home / ".local" / "bin" / "selva").resolve() == double.prefix / "env-2" / "bin" / "selva"
    script = double.home / ".config" / "REAPER" / "Scripts" / "Selva" / "selva.lua"
    assert "env-2" in script.read_text(encoding="utf-8")


@posix_only
def test_an_upgrade_that_fails_leaves_the_earlier_version_in_use(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    assert double.run() == 0
    before = snapshot(double.prefix / "env-1")
    write_product(double.wheels, "9.1.0")
    double.broken["pip install"] = "Collecting torch\nNewConnectionError: name resolution\n"
    assert double.run("--upgrade") == 1
    assert "The network is the cause" in capsys.readouterr().err
    assert snapshot(double.prefix / "env-1") == before
    assert (double.prefix / "selva").resolve() == double.prefix / "env-1" / "bin" / "selva"
    double.broken.clear()
    assert double.run("--upgrade") == 0
    assert (double.prefix / "selva").resolve() == double.prefix / "env-2" / "bin" / "selva"


@posix_only
def test_a_repair_replaces_an_environment_in_which_a_file_is_damaged(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    assert double.run() == 0
    assert double.run("--repair") == 0
    assert (double.prefix / "env-1").is_dir()
    (double.prefix / "env-1" / "lib" / "python3.12" / "site-packages" / "module.py").write_text(
        "", encoding="utf-8"
    )
    assert double.run("--repair") == 0
    assert "module.py has 0 bytes, not 6" in capsys.readouterr().out
    assert sorted(path.name for path in double.prefix.glob("env-*")) == ["env-2"]


def test_what_the_person_changed_since_stays(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    assert double.run("--models-dir", "~/models") == 0
    settings = double.home / "config" / "config.toml"
    keys = double.home / ".config" / "REAPER" / "reaper-kb.ini"
    keys.write_text(keys.read_text(encoding="utf-8") + "KEY another\n", encoding="utf-8")
    (double.home / "models" / "a.safetensors").touch()
    assert double.run("--uninstall") == 0
    assert "KEY another" in keys.read_text(encoding="utf-8")
    assert (double.home / "models" / "a.safetensors").exists()
    assert not settings.exists()
    shown = capsys.readouterr().out
    assert "reaper-kb.ini was changed since" in shown
    assert "models stay in" in shown


def test_models_go_only_when_that_is_asked_for_and_they_came_with_selva(
    double: Double, tmp_path: Path
) -> None:
    assert double.run() == 0
    (double.home / "models").mkdir()
    (double.home / "models" / "a.safetensors").touch()
    assert double.run("--uninstall", "--with-models") == 0
    assert not (double.home / "models").exists()
    other = Double(tmp_path / "other")
    (other.home / "models").mkdir()
    (other.home / "models" / "a.safetensors").touch()
    assert other.run() == 0
    assert other.run("--uninstall", "--with-models") == 0
    assert (other.home / "models" / "a.safetensors").exists()


def test_settings_that_were_there_before_are_restored_to_the_byte(double: Double) -> None:
    settings = double.home / "config" / "config.toml"
    settings.parent.mkdir()
    settings.write_text("# mine\nport = 5000\n", encoding="utf-8")
    assert double.run("--stems-dir", "~/stems") == 0
    assert "stems_dir" in settings.read_text(encoding="utf-8")
    assert double.run("--uninstall") == 0
    assert settings.read_text(encoding="utf-8") == "# mine\nport = 5000\n"


@posix_only
def test_a_command_of_the_same_name_by_another_installation_stays(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    own = double.home / ".local" / "bin" / "selva"
    own.parent.mkdir(parents=True)
    own.write_text("another", encoding="utf-8")
    assert double.run() == 0
    assert "is of another installation and stays" in capsys.readouterr().out
    assert double.run("--uninstall") == 0
    assert own.read_text(encoding="utf-8") == "another"


def test_a_dry_run_names_what_it_would_touch_and_touches_nothing(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(double.folder)
    assert double.run("--dry-run", "--models-dir", "~/models") == 0
    shown = capsys.readouterr().out
    for part in ("env-1", "install-record.json", "reaper-kb.ini", "set models_dir", ".local/bin/selva"):
        assert part in shown.replace("\\", "/")
    assert snapshot(double.folder) == before
    assert double.commands == []
    assert double.run() == 0
    installed = snapshot(double.folder)
    assert double.run("--uninstall", "--dry-run") == 0
    assert "env-1" in capsys.readouterr().out
    assert snapshot(double.folder) == installed


def test_root_is_refused_with_the_command_to_use(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    machine = replace(double.machine, is_root=True, environment={"SUDO_USER": "anna"})
    assert double.run(machine=machine) == 1
    assert "sudo -u anna -i" in capsys.readouterr().err
    assert not double.prefix.exists()


def test_a_folder_that_holds_something_else_is_refused_and_an_empty_one_taken(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    double.prefix.mkdir(parents=True)
    (double.prefix / "holiday.mov").touch()
    assert double.run() == 1
    assert "holiday.mov" in capsys.readouterr().err
    assert [path.name for path in double.prefix.iterdir()] == ["holiday.mov"]
    (double.prefix / "holiday.mov").unlink()
    assert double.run() == 0


def test_without_an_installation_there_is_nothing_to_remove(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--uninstall", "--repair", "--upgrade"):
        assert double.run(option) == 1
        assert "there is no installation in" in capsys.readouterr().err


def test_a_failure_is_one_line_with_its_cause_and_the_log(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    double.broken["pip install"] = "Collecting torch\nOSError: [Errno 28] No space left on device\n"
    assert double.run() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("FAILED: the packages could not be installed: The disk is full.")
    assert str(double.prefix / "install.log") in line
    log = (double.prefix / "install.log").read_text(encoding="utf-8")
    assert "No space left on device" in log


def test_packages_that_do_not_load_are_not_taken_into_use(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    double.broken["tokenizers av"] = "ImportError: cannot import name x\n"
    assert double.run() == 1
    assert "do not load: ImportError: cannot import name x" in capsys.readouterr().err
    assert not (double.prefix / "selva").exists()
    double.broken.clear()
    assert double.run() == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_takes_nothing_is_refused_in_words(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    double.prefix.parent.mkdir(parents=True)
    double.prefix.parent.chmod(0o500)
    assert double.run() == 1
    assert "nothing can be written into" in capsys.readouterr().err


def test_too_little_room_is_refused_before_an_environment_is_made(
    double: Double, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = load_step_module("steps.packages")
    usage = packages.shutil.disk_usage(double.folder)
    with monkeypatch.context() as small:
        small.setattr(packages.shutil, "disk_usage", lambda path: usage._replace(free=10**7))
        assert double.run() == 1
    assert "0.01 GB are free" in capsys.readouterr().err
    assert double.commands == []
    assert double.run() == 0


def test_a_full_disk_is_reported_and_the_next_run_goes_on(
    double: Double, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(
            command.engine.Record if hasattr(command.engine, "Record") else command.Record, "save", fail
        )
        assert double.run() == 1
    assert "the disk is full" in capsys.readouterr().err
    assert double.run() == 0


def test_another_installer_in_the_same_folder_is_refused(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    double.prefix.mkdir(parents=True)
    lock = load_step_module("foundation.lock").InstallLock(double.prefix / "install.lock")
    assert double.run() == 1
    assert "another installer is at work" in capsys.readouterr().err
    lock.release()
    assert double.run() == 0


def test_the_summary_as_json_is_one_document(double: Double, capsys: pytest.CaptureFixture[str]) -> None:
    assert double.run("--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["version"] == "9.0.0"
    double.broken["pip install"] = "ERROR: no\n"
    write_product(double.wheels, "9.2.0")
    assert double.run("--json") == 1
    assert json.loads(capsys.readouterr().out)["error"].endswith("ERROR: no")


def test_choices_of_the_first_run_hold_for_the_next(double: Double) -> None:
    assert double.run("--hosts", "none", "--no-command") == 0
    assert double.run() == 0
    assert not (double.home / ".local" / "bin").exists()
    assert not (double.home / ".config" / "REAPER" / "Scripts").exists()
    assert double.run("--hosts", "reaper") == 0
    assert (double.home / ".config" / "REAPER" / "Scripts" / "Selva").is_dir()


def test_an_address_is_remembered_unless_it_holds_a_password(double: Double) -> None:
    record = double.prefix / "install-record.json"
    open_address, secret = "https://a.example/whl", "https://ed:secret@a.example/whl"
    assert double.run("--torch-index", open_address, "--index-url", secret) == 0
    assert open_address in record.read_text(encoding="utf-8")
    assert "secret" not in record.read_text(encoding="utf-8") + (double.prefix / "install.log").read_text(
        encoding="utf-8"
    )


def test_a_host_that_is_not_there_is_refused_when_it_is_named(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    assert double.run("--hosts", "resolve") == 1
    assert "DaVinci Resolve was not found" in capsys.readouterr().err
    assert double.run("--hosts", "premiere") == 1
    assert "--hosts takes reaper, resolve" in capsys.readouterr().err


def test_the_copy_in_the_installation_removes_it(double: Double) -> None:
    before = snapshot(double.folder)
    assert double.run() == 0
    assert double.run("--uninstall", installer=double.prefix / "installer") == 0
    assert snapshot(double.folder) == before


@posix_only
def test_an_installation_in_a_folder_of_choice_is_found_by_its_command(
    double: Double, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(double.folder)
    assert double.run() == 0
    options = ["--uninstall", "--dry-run"]
    assert command.main(options, double.machine, runner_class=double.runner_class()) == 0
    assert str(double.prefix) in capsys.readouterr().out
    assert double.run("--uninstall") == 0
    assert snapshot(double.folder) == before
    assert command.main(options, double.machine, runner_class=double.runner_class()) == 1
