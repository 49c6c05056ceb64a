"""What a release must agree on, and what the built wheel holds."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import selva_core
from tests.installer.scripts import ROOT, load_script

release = load_script("release")


def test_a_version_that_agrees_with_changelog_and_tag_is_released() -> None:
    assert release.release_faults(version="0.2.0", entry="0.2.0", tag="v0.2.0") == []
    assert release.release_faults(version="1.0.0rc1", entry="1.0.0rc1", tag="v1.0.0rc1") == []


@pytest.mark.parametrize(
    ("version", "entry", "tag", "fault"),
    [
        ("0.2.0", "0.1.0", "v0.2.0", "CHANGELOG.md begins with '0.1.0'"),
        ("0.2.0", "Unreleased", "v0.2.0", "call that entry 0.2.0"),
        ("0.2.0", "0.2.0", "v0.1.0", "the tag must be v0.2.0"),
        ("0.2.0", "0.2.0", "0.2.0", "the tag must be v0.2.0"),
        ("0.2.0", "0.2.0", None, "git tag v0.2.0"),
        ("0.2", "0.2", "v0.2", "write it as 1.2.3"),
    ],
)
def test_a_version_that_does_not_agree_is_refused_with_what_to_do(
    version: str, entry: str, tag: str | None, fault: str
) -> None:
    (found,) = release.release_faults(version=version, entry=entry, tag=tag)
    assert fault in found


@pytest.mark.parametrize(
    ("changelog", "entry"),
    [
        ("# Changelog\n\n## 0.2.0 (2026-11-30)\n\n## 0.1.0\n", "0.2.0"),
        ("# Changelog\n\n## Unreleased\n\n### Cuts\n", "Unreleased"),
        ("# Changelog\n", ""),
    ],
)
def test_newest_entry_is_the_first_heading_of_the_second_level(changelog: str, entry: str) -> None:
    assert release.newest_entry(changelog) == entry


def test_version_of_the_tree_is_the_version_of_the_package() -> None:
    assert release.package_version(ROOT) == selva_core.__version__


def test_an_incomplete_wheel_is_refused(tmp_path: Path) -> None:
    expected = release.expected_in_wheel(ROOT)
    licence = "selva_bridge-0.1.0.dist-info/licenses/LICENSE"
    assert release.wheel_faults(ROOT, [*expected, licence]) == []
    assert release.wheel_faults(ROOT, expected) == ["the wheel lacks its licence"]
    lacking = (expected - {"selva_core/__init__.py"}) | {licence}
    assert release.wheel_faults(ROOT, lacking) == ["the wheel lacks selva_core/__init__.py"]
    unwanted = [*expected, licence, "tests/x.py"]
    assert release.wheel_faults(ROOT, unwanted) == ["the wheel should not hold tests/x.py"]


def test_an_sdist_holds_what_installs_and_nothing_that_works_from_a_checkout_only(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert release.sdist_faults(names) == []
    folder = names[0].partition("/")[0]
    lacking = [name for name in names if name != f"{folder}/LICENSE"]
    assert release.sdist_faults(lacking) == ["the sdist lacks LICENSE"]
    assert release.sdist_faults([*names, f"{folder}/tests/x.py"]) == ["the sdist should not hold tests/x.py"]


def test_built_wheel_holds_the_packages_scripts_and_weights_and_no_training(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
        declared = archive.read(entry_points).decode()
    assert release.wheel_faults(ROOT, names) == []
    assert any(
        name.startswith("selva_core/weights/selva-nano/") and name.endswith(".safetensors") for name in names
    )
    assert "selva = selva_cli.main:main" in declared
    assert "opentimelineio.plugins" in declared
