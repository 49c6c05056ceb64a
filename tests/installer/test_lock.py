"""The lock files: what they hold, and how they are made; resolving itself is uv's work."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.installer.scripts import ROOT, load_script

lock = load_script("lock")
environment = load_script("environment")

LOCK_FILES = sorted((ROOT / "locks").glob("*.txt"))
NODE_LOCKS = [ROOT / folder / "package-lock.json" for folder in lock.NODE_FOLDERS]


def pinned(text: str) -> dict[str, set[str]]:
    """Versions by package name; a package has several where Pythons or systems need different ones."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_there_is_a_lock_file_for_each_set_of_extras_and_group() -> None:
    assert [path.stem for path in LOCK_FILES] == sorted([*lock.LOCKED_EXTRAS, *lock.LOCKED_GROUPS])


def test_the_sets_that_the_installer_uses_are_locked() -> None:
    sets = {frozenset(extras) for extras in lock.LOCKED_EXTRAS.values()}
    assert frozenset(environment.USER_EXTRAS) in sets
    assert frozenset(environment.DEVELOPMENT_EXTRAS) in sets


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.stem)
def test_every_package_of_a_lock_file_has_hashes(path: Path) -> None:
    requirements = re.split(r"^(?=[A-Za-z0-9])", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert requirements
    assert [text.split()[0] for text in requirements if "--hash=sha256:" not in text] == []


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.stem)
def test_lock_file_takes_its_versions_from_the_constraints(path: Path) -> None:
    constraints = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    for name, versions in pinned(path.read_text(encoding="utf-8")).items():
        assert versions <= constraints.get(name, versions), name


@pytest.mark.parametrize(
    "path",
    [*LOCK_FILES, ROOT / "constraints.txt", *NODE_LOCKS],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_no_lock_file_names_a_package_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert (
        re.findall(
            r"^ *(?:--index-url|--extra-index-url|--find-links|-i) .*|\"resolved\".*", text, re.MULTILINE
        )
        == []
    )
    assert re.findall(r"(?:https?|file)://[^ \"]*(?:registry|simple|index|pypi)[^ \"]*", text) == []


@pytest.mark.parametrize("path", NODE_LOCKS, ids=lambda path: path.parent.name)
def test_the_javascript_packages_have_hashes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert len(packages) > 2
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_every_dependency_is_pinned_for_the_plain_installer() -> None:
    constraints = pinned((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    declared = re.findall(
        r"^    \"([A-Za-z0-9-]+)[<>=]", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert {"torch", "av", "opentimelineio", "pytest"} <= set(declared)
    assert {name.lower() for name in declared} - constraints.keys() == set()


def test_torch_and_torchaudio_of_one_release_are_accepted() -> None:
    lock.check_matching_pair("torch==2.11.0\ntorchaudio==2.11.1 ; sys_platform == 'linux'\n")


@pytest.mark.parametrize("text", ["torch==2.12.1\ntorchaudio==2.11.1\n", "torch==2.12.1\n"])
def test_torch_and_torchaudio_of_two_releases_are_refused(text: str) -> None:
    with pytest.raises(lock.LockError, match="one release"):
        lock.check_matching_pair(text)


def test_constraints_leave_out_what_isolated_builds_choose_themselves() -> None:
    text = "pip==1\npiper==2\nsetuptools==3 ; python_version > '3'\n"
    assert lock.without_packages(text, ("pip", "setuptools")) == "piper==2\n"


def test_addresses_are_taken_out_of_the_javascript_lock_file() -> None:
    package = {
        "version": "1",
        "resolved": "somewhere/x.tgz",
        "integrity": "sha512-x",
        "funding": {"url": "elsewhere"},
    }
    cleaned = json.loads(lock.without_addresses(json.dumps({"packages": {"x": package}})))
    assert cleaned == {"packages": {"x": {"version": "1", "integrity": "sha512-x"}}}


def test_a_package_without_wheels_for_a_system_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def resolve(root: Path, arguments: Sequence[str]) -> None:
        if "x86_64-pc-windows-msvc" in arguments:
            raise lock.LockError("no wheels with a matching platform tag")

    monkeypatch.setattr(lock, "_run_uv", resolve)
    with pytest.raises(lock.LockError, match=r"on x86_64-pc-windows-msvc with Python 3\.10"):
        lock.check_wheels(tmp_path, tmp_path / "everything.txt")
    monkeypatch.setattr(lock, "SYSTEMS", ("x86_64-unknown-linux-gnu",))
    lock.check_wheels(tmp_path, tmp_path / "everything.txt")


def test_known_versions_are_kept_unless_an_upgrade_is_asked_for() -> None:
    keeping = lock.uv_arguments(output=Path("o"), extras=("plot",))
    assert not [argument for argument in keeping if "upgrade" in argument]
    assert "--upgrade" in lock.uv_arguments(output=Path("o"), upgrade=())
    one = lock.uv_arguments(output=Path("o"), upgrade=("torch",))
    assert "--upgrade-package=torch" in one
    assert "--upgrade" not in one


def test_hooks_use_the_version_of_ruff_that_is_locked() -> None:
    hooks = (ROOT / lock.HOOKS).read_text(encoding="utf-8")
    assert lock.with_ruff_version(hooks, (ROOT / "constraints.txt").read_text(encoding="utf-8")) == hooks
    changed = lock.with_ruff_version(hooks, "ruff==99.0.1\n")
    assert changed.count("ruff==99.0.1") == 2
