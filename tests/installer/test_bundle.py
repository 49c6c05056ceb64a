"""A bundle is gathered for a system, and is installed from without a network: with the real pip, from tiny wheels."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.installer.fake_wheels import write_wheels
from tests.installer.install_doubles import command, machine_module, snapshot
from tests.installer.scripts import load_script

bundle = load_script("bundle")


def test_wheels_for_another_system_are_asked_for_by_its_tags(tmp_path: Path) -> None:
    arguments = bundle.download_arguments(
        target=tmp_path,
        requirement="x==1",
        options=["--constraint", "c"],
        platform_name="darwin-arm64",
        python="3.12",
    )
    line = " ".join(arguments)
    assert "--only-binary :all: --platform macosx_14_0_arm64" in line
    assert "--python-version 3.12 --implementation cp" in line
    assert arguments[-2:] == ["x==1", "pip"]


def test_wheels_for_this_system_are_asked_for_by_nothing(tmp_path: Path) -> None:
    arguments = bundle.download_arguments(
        target=tmp_path, requirement="x==1", options=[], platform_name=bundle.this_platform(), python=None
    )
    assert "--platform" not in arguments


def test_a_folder_that_is_no_bundle_is_not_written_into(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "holiday.mov").touch()
    assert bundle.main(["-o", str(tmp_path)]) == 1
    assert "is not empty and no bundle" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mov"]


def test_a_bundle_installs_by_itself_into_a_folder_with_blanks_and_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home, folder = tmp_path / "home", tmp_path / "bundle"
    home.mkdir()
    write_wheels(folder / "wheels")
    (folder / "bundle.json").write_text(json.dumps({"extras": ["plot"]}), encoding="utf-8")
    bundle.write_installer(folder)
    # What other programs set; each of these breaks an installation that follows it.
    rubbish = {"PYTHONHOME": str(tmp_path / "none"), "PIP_TARGET": str(tmp_path / "elsewhere"), "VIRTUAL_ENV": "/none",
               "PIP_REQUIRE_VIRTUALENV": "1", "PIP_NO_INDEX": "0", "UV_PYTHON": "2.7"}  # fmt: skip
    environment = {**os.environ, **rubbish, "HOME": str(home)}
    if os.name == "posix":
        environment["PATH"] = (
            os.defpath
        )  # pip starts a rustc that is on the PATH, and rustup writes into the home
    machine = replace(machine_module.Machine(), environment=environment, home=home, is_root=False)
    prefix = tmp_path / "Büro 犬" / "my selva"
    before = snapshot(tmp_path)
    arguments = ["--prefix", str(prefix), "--yes"]
    assert command.main(arguments, machine, installer=folder / "installer") == 0
    assert "PIP_TARGET, PYTHONHOME, UV_PYTHON, VIRTUAL_ENV" in capsys.readouterr().out
    name = "selva.cmd" if os.name == "nt" else "selva"
    done = subprocess.run([str(prefix / name), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "selva 9.0.0\n"
    assert not (tmp_path / "elsewhere").exists()
    assert command.main([*arguments, "--repair"], machine, installer=folder / "installer") == 0
    assert (prefix / "env-1").is_dir()
    assert command.main([*arguments, "--uninstall"], machine, installer=prefix / "installer") == 0
    assert snapshot(tmp_path) == before
