"""Check a release, and build what is published.

    python installer/release.py check [--tag v0.2.0]    version = newest entry of the changelog = tag, lock files complete
    python installer/release.py build [-o dist]         wheel and sdist, with their lists of files compared to the tree

`build` needs the dependency group `build`: pip install --require-hashes -r locks/build.txt
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEEL_FOLDERS = {
    "selva_core": "selva_core",
    "daemon/selva_daemon": "selva_daemon",
    "daemon/selva_render": "selva_render",
    "daemon/selva_cli": "selva_cli",
    "otio_adapters/selva_otio": "selva_otio",
    "plugins/selva_plugins": "selva_plugins",
    "plugins/panel/selva_panel": "selva_panel",
    "plugins/reaper/Selva": "selva_plugins/reaper_scripts/Selva",
}
"""Folder of the tree: where its files lie in the wheel."""
ONLY_IN_THE_TREE = ("selva_core/training/",)
"""Training works from a checkout: it makes its scenes there, and weighs more than the rest of the model's code."""
ONLY_IN_A_CHECKOUT = ("selva_core/training/", "tests/", "bench/")
IN_THE_SDIST = (
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
    "selva_core/weights/selva-nano/generator.safetensors",
    "plugins/selva_plugins/__init__.py",
    "plugins/panel/selva_panel/static/index.html",
    "CHANGELOG.md",
    "installer/run.py",
    "installer/install.py",
    "installer/bundle.py",
    "installer/steps/engine.py",
    "installer/foundation/record.py",
    "docs/start/install.md",
    "hatch_build.py",
    "plugins/resolve/agent/main.lua",
)
UNRELEASED = "Unreleased"


def package_version(root: Path) -> str:
    """`__version__` of selva_core, which is the version of the whole project."""
    text = (root / "selva_core" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def newest_entry(changelog: str) -> str:
    """The heading of the newest entry, without a date in brackets or after a dash: `0.2.0` of `## 0.2.0 (2026-11-30)`."""
    found = re.search(r"^## +(\S+)", changelog, re.MULTILINE)
    return found[1] if found else ""


def release_faults(*, version: str, entry: str, tag: str | None) -> list[str]:
    """What keeps a version from being released, each with what to do; empty when nothing does."""
    faults = []
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        faults.append(f"the version is {version!r}; write it as 1.2.3 or 1.2.3rc1 in selva_core/__init__.py")
    if entry == UNRELEASED:
        faults.append(f"CHANGELOG.md begins with {UNRELEASED!r}; call that entry {version}")
    elif entry != version:
        faults.append(f"CHANGELOG.md begins with {entry!r}, the version is {version!r}; make them equal")
    if tag is None:
        faults.append(f"the commit has no tag; make one: git tag v{version}")
    elif tag != f"v{version}":
        faults.append(f"the tag is {tag!r}, the version is {version!r}; the tag must be v{version}")
    return faults


def tag_of_commit(root: Path) -> str | None:
    """The tag of the commit that is checked out, or None."""
    done = subprocess.run(
        ["git", "describe", "--tags", "--exact-match"], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None


def expected_in_wheel(root: Path) -> set[str]:
    """Files of the seven packages and of REAPER's scripts as they must lie in the wheel."""
    names = set()
    for source, target in WHEEL_FOLDERS.items():
        for file in (root / source).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
                names.add(f"{target}/{file.relative_to(root / source).as_posix()}")
    return {name for name in names if not name.startswith(ONLY_IN_THE_TREE)} | {RESOLVE_SCRIPT}


RESOLVE_SCRIPT = "selva_plugins/resolve_scripts/Selva.lua"


def wheel_faults(root: Path, names: Iterable[str]) -> list[str]:
    """Files that a wheel lacks or should not hold, by its list of names."""
    names = list(names)
    found = {name for name in names if ".dist-info/" not in name}
    expected = expected_in_wheel(root)
    missing = [f"the wheel lacks {name}" for name in sorted(expected - found)]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        missing.append("the wheel lacks its licence")
    return missing + [f"the wheel should not hold {name}" for name in sorted(found - expected)]


def sdist_faults(names: Iterable[str]) -> list[str]:
    """Files that an sdist lacks or should not hold, by its list of names; each begins with the folder of the version."""
    found = {name.partition("/")[2] for name in names}
    faults = [f"the sdist lacks {name}" for name in IN_THE_SDIST if name not in found]
    return faults + [
        f"the sdist should not hold {name}" for name in sorted(found) if name.startswith(ONLY_IN_A_CHECKOUT)
    ]


def build(root: Path, target: Path) -> list[str]:
    """Build wheel and sdist into `target` with the packages installed here; returns what is wrong with their lists."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--sdist",
            "--wheel",
            "--outdir",
            str(target),
            str(root),
        ],
        check=True,
    )
    version = package_version(root)
    with zipfile.ZipFile(target / f"selva_bridge-{version}-py3-none-any.whl") as wheel:
        faults = wheel_faults(root, wheel.namelist())
    with tarfile.open(target / f"selva_bridge-{version}.tar.gz") as sdist:
        return faults + sdist_faults(sdist.getnames())


def main(argv: Sequence[str] | None = None) -> int:
    """Check or build; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check_parser = commands.add_parser("check", help="compare version, changelog and tag")
    check_parser.add_argument("--tag", help="the tag to compare with (default: the tag of this commit)")
    build_parser = commands.add_parser("build", help="build wheel and sdist and check what they hold")
    build_parser.add_argument("-o", "--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(argv)
    if options.command == "build":
        if importlib.util.find_spec("build") is None:
            parser.exit(
                1,
                "FAILED: the package `build` is missing. Install it:\n"
                f'  "{sys.executable}" -m pip install --require-hashes -r "{ROOT / "locks" / "build.txt"}"\n',
            )
        faults = build(ROOT, options.out)
    else:
        faults = release_faults(
            version=package_version(ROOT),
            entry=newest_entry((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
            tag=options.tag or tag_of_commit(ROOT),
        )
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    if not faults:
        print(f"selva-bridge {package_version(ROOT)}: {options.command} passed.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
