"""Where things go on each system, what of the caller's environment is followed, and where packages come from."""

from __future__ import annotations

import json
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from selva_core.models.catalog import default_models_dir
from selva_plugins.hosts.reaper.resource_paths import find_resource_paths
from selva_plugins.hosts.resolve.homes import find_homes
from selva_plugins.hosts.script_install import Machine as HostMachine
from tests.installer.fake_wheels import write_product, write_wheel
from tests.installer.scripts import ROOT, load_script, load_step_module

load_script("environment")
locations = load_step_module("foundation.locations")
isolation = load_step_module("foundation.isolation")
source = load_step_module("foundation.source")
packages = load_step_module("steps.packages")
choices = load_step_module("foundation.choices")
Machine = load_step_module("foundation.machine").Machine


def machine(platform: str, home: Any, **environment: str) -> Any:
    return Machine(platform=platform, architecture="x86_64", environment=environment, home=home, is_root=False,
                   user_id=1000, ask=lambda arguments: None, has_path=lambda path: False)  # fmt: skip


def test_the_program_goes_where_each_system_keeps_a_users_data() -> None:
    assert locations.default_prefix(machine("linux", Path("/h"))) == Path("/h/.local/share/selva-bridge/app")
    given = machine("linux", Path("/h"), XDG_DATA_HOME="/x")
    assert locations.default_prefix(given) == Path("/x/selva-bridge/app")
    relative = machine("linux", Path("/h"), XDG_DATA_HOME="x")
    assert locations.default_prefix(relative) == Path("/h/.local/share/selva-bridge/app")
    mac = Path("/Users/ed/Library/Application Support/selva-bridge/app")
    assert locations.default_prefix(machine("darwin", Path("/Users/ed"))) == mac
    windows = machine("win32", PureWindowsPath(r"C:\Users\ed"), LOCALAPPDATA=r"D:\Local")
    assert locations.default_prefix(windows) == PureWindowsPath(r"D:\Local\selva-bridge\app")
    assert locations.command_folder(windows) is None


def test_models_lie_where_the_product_looks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SELVA_MODELS_DIR", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    if sys.platform in ("linux", "darwin"):
        assert locations.default_models(machine(sys.platform, Path.home())) == default_models_dir()


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_hosts_are_looked_for_where_their_installers_find_them(platform: str, tmp_path: Path) -> None:
    for folder in locations.reaper_folders(machine(platform, tmp_path)):
        folder.mkdir(parents=True)
        (folder / "reaper.ini").touch()
    (tmp_path / "Library" / "Containers" / "com.blackmagic-design.DaVinciResolveLite" / "Data").mkdir(
        parents=True
    )
    for folder in locations.resolve_folders(machine(platform, tmp_path)):
        folder.mkdir(parents=True, exist_ok=True)
    host_machine = HostMachine(platform=platform, environment={}, home=tmp_path)
    found = locations.host_files(machine(platform, tmp_path))
    for resource_path in find_resource_paths(host_machine):
        assert resource_path / "Selva" in found["reaper"]
    homes = find_homes(tmp_path / "state", host_machine)
    assert {home.menu_folder for home in homes} <= set(found["resolve"])


def test_what_leads_pythons_astray_is_left_out_and_named() -> None:
    given = {"PATH": "/bin", "PYTHONHOME": "/rubbish", "PIP_TARGET": "/t", "Conda_Prefix": "/c", "VIRTUAL_ENV": "/v",
             "UV_INDEX_URL": "u", "UV_SYSTEM_PYTHON": "1", "PIP_INDEX_URL": "m", "HTTPS_PROXY": "p"}  # fmt: skip
    found = isolation.isolate(given)
    assert found.cleared == ["Conda_Prefix", "PIP_TARGET", "PYTHONHOME", "UV_SYSTEM_PYTHON", "VIRTUAL_ENV"]
    assert not set(found.cleared) & set(found.variables)
    assert (found.variables["HTTPS_PROXY"], found.variables["UV_INDEX_URL"]) == ("p", "u")
    assert found.variables["UV_NO_CONFIG"] == "1"


def test_a_mirror_in_pips_configuration_is_followed_for_uv_as_well() -> None:
    listing = (
        "global.index-url='https://a.example/simple'\n"
        "global.find-links='/opt/one\\n/opt/two'\n"
        "install.user='true'\n"
        ":env:.index-url='https://b.example/simple'\n"
        "global.extra-index-url='file:///x file:///y'\n"
        "not a line of it\n"
    )
    options = isolation.parse_pip_config(listing)
    assert options["index-url"] == "https://b.example/simple"
    assert isolation.ignored_options(options) == ["user"]
    variables = isolation.honoured_variables(options, {})
    assert variables["PIP_INDEX_URL"] == variables["UV_DEFAULT_INDEX"] == "https://b.example/simple"
    assert variables["UV_FIND_LINKS"] == "/opt/one,/opt/two"
    assert variables["UV_INDEX"] == "file:///x file:///y"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert "UV_DEFAULT_INDEX" not in isolation.honoured_variables(options, {"UV_DEFAULT_INDEX": "mine"})


def test_the_newest_wheel_of_a_folder_is_installed(tmp_path: Path) -> None:
    write_product(tmp_path, "9.9.0")
    write_product(tmp_path, "9.10.0")
    write_wheel(tmp_path, "other", "10.0", {})
    found = source.find_source(tmp_path, tmp_path)
    assert (found.requirement, found.wheels) == ("selva-bridge==9.10.0", tmp_path.resolve())


def test_a_folder_without_the_product_is_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path, "other", "10.0", {})
    with pytest.raises(source.SetupError, match="holds no wheel of the product"):
        source.find_source(tmp_path, tmp_path)
    with pytest.raises(source.SetupError, match="there is no folder"):
        source.find_source(tmp_path / "none", tmp_path)


def test_a_bundle_lies_beside_its_installer_and_a_checkout_above_it(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    write_product(tmp_path / "wheels", "9.0.0")
    assert source.find_source(None, tmp_path).wheels == (tmp_path / "wheels").resolve()
    checkout = source.find_source(None, ROOT)
    assert (checkout.requirement, checkout.wheels) == (str(ROOT), None)
    assert checkout.constraints == ROOT / "constraints.txt"


def test_a_bundle_for_another_system_is_refused(tmp_path: Path) -> None:
    write_product(tmp_path, "9.0.0")
    (tmp_path / "bundle.json").write_text(json.dumps({"platform": "linux-x86_64"}), encoding="utf-8")
    found = source.load_wheels(tmp_path)
    source.check_manifest(found, platform="linux", architecture="amd64")
    with pytest.raises(source.SetupError, match="--platform darwin-arm64"):
        source.check_manifest(found, platform="darwin", architecture="arm64")


def test_a_file_that_is_missing_or_short_is_damage_and_compiled_modules_are_not(tmp_path: Path) -> None:
    info = tmp_path / "lib" / "python3.12" / "site-packages" / "a-1.dist-info"
    info.mkdir(parents=True)
    (info.parent / "good.py").write_text("1", encoding="utf-8")
    (info / "RECORD").write_text(
        "good.py,sha256=x,1\nbad.py,sha256=x,1\nc.pyc,sha256=x,9\n", encoding="utf-8"
    )
    vendored = info.parent / "good" / "_vendor" / "b-1.dist-info"
    vendored.mkdir(parents=True)
    (vendored / "RECORD").write_text("bin/b,sha256=x,1\n", encoding="utf-8")
    (fault,) = packages.iter_damaged_files(tmp_path)
    assert fault.endswith("bad.py is missing")


def test_a_folder_is_asked_for_once_and_an_empty_answer_takes_what_is_shown() -> None:
    given = choices.build_parser().parse_args(["--models-dir", "/m"])
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "/big/selva" if question.startswith("The program") else ""

    choices.ask_for_folders(given, machine("linux", Path("/h")), answer)
    assert given.prefix == "/big/selva"
    assert given.cache_dir is None
    assert not any(question.startswith("Models") for question in questions)
    assert "GB free" in questions[0]


def test_credentials_in_addresses_do_not_reach_the_log() -> None:
    runner = load_step_module("foundation.runner")
    assert runner.without_credentials("get https://ed:secret@h.example/x") == "get https://…@h.example/x"
