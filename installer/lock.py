"""Write the lock files: exact versions, with hashes, for every system and Python that the project supports.

    python -m pip install uv
    python installer/lock.py                    # after a change of pyproject.toml: new packages only
    python installer/lock.py --upgrade torch    # newer versions of the packages named
    python installer/lock.py --upgrade          # newer versions of everything
    python installer/lock.py --check            # change nothing; status 1 when pyproject.toml has moved on

Writes `constraints.txt` (what `installer/run.py` and minimum installs of pip take their versions from), one file with hashes in
`locks/` for each set of extras, and the `package-lock.json` of each folder of JavaScript. pip and uv both install a lock file:

    pip install --require-hashes -r locks/plot.txt
    uv pip sync --require-hashes locks/plot.txt

No file names a package index: which one is asked is a matter of each machine's own configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.10"
NEWEST_PYTHON = "3.13"
"""OpenTimelineIO publishes no wheels for a later one."""
SYSTEMS = ("x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc")
MACOS_VERSION = "14.0"
"""The oldest macOS that PyAV's wheels run on."""
LOCKED_EXTRAS: dict[str, tuple[str, ...]] = {
    "run": (),
    "plot": ("plot",),
    "all": ("plot", "formats", "c2pa", "mcp"),
    "train": ("plot", "train"),
    "ray": ("ray",),
    "test": ("plot", "test", "train"),
}
"""Name of a lock file: the extras of the project that it installs."""
LOCKED_GROUPS = ("style", "build", "docs")
"""Dependency groups of pyproject.toml that are locked without the project's own dependencies."""
LEFT_OUT_OF_CONSTRAINTS = ("pip", "setuptools", "wheel")
"""pip applies constraints to the isolated environments in which it builds packages from source as well, and those ask
for setuptools of their own."""
HOOKS = ".pre-commit-config.yaml"
NODE_FOLDERS = ("examples/node", "plugins/panel/web")
MATCHING_PAIR = ("torch", "torchaudio")


class LockError(Exception):
    """The lock files could not be made; the message says why."""


def uv_arguments(
    *,
    output: Path,
    extras: Sequence[str] = (),
    group: str | None = None,
    constraints: Path | None = None,
    has_hashes: bool = True,
    upgrade: Sequence[str] | None = None,
) -> list[str]:
    """Arguments after `python -m uv` that resolve for every system and Python at once.

    Without `upgrade` the versions that `output` already names are kept; with an empty one nothing is.
    """
    arguments = ["pip", "compile", "--quiet", "--universal", "--python-version", OLDEST_PYTHON]
    arguments += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    if has_hashes:
        arguments.append("--generate-hashes")
    if constraints is not None:
        arguments += ["--constraints", str(constraints)]
    if upgrade is not None:
        arguments += [f"--upgrade-package={name}" for name in upgrade] or ["--upgrade"]
    arguments += ["--output-file", str(output)]
    if group is not None:
        return [*arguments, "--group", f"pyproject.toml:{group}"]
    return [*arguments, *(f"--extra={extra}" for extra in extras), "pyproject.toml"]


def without_packages(text: str, names: Iterable[str]) -> str:
    """Lines of `name==version` less those of the packages named."""
    left_out = tuple(f"{name}==" for name in names)
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(left_out))


def check_matching_pair(constraints: str) -> None:
    """torchaudio is built against one version of torch and its packages do not say so; they must be of one release.

    Raises LockError when they are not.
    """
    versions = {
        name: line.partition("==")[2].split()[0]
        for line in constraints.splitlines()
        for name in MATCHING_PAIR
        if line.startswith(f"{name}==")
    }
    releases = {".".join(version.split(".")[:2]) for version in versions.values()}
    if len(versions) != len(MATCHING_PAIR) or len(releases) != 1:
        raise LockError(
            f"torch and torchaudio must come from one release; resolved to {versions}. "
            "Limit both in pyproject.toml to the same releases"
        )


def check_wheels(root: Path, resolved: Path) -> None:
    """Every package of a resolution has a wheel for each system, with the oldest and the newest Python.

    A release may have wheels for some systems only (c2pa-python 0.38.1 has none for Windows), and resolving for all systems
    does not notice. Raises LockError.
    """
    for system in SYSTEMS:
        for python in (OLDEST_PYTHON, NEWEST_PYTHON):
            arguments = ["pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:"]
            arguments += ["--python-platform", system, "--python-version", python]
            arguments += ["--output-file", os.devnull, str(resolved)]
            try:
                _run_uv(root, arguments)
            except LockError as exc:
                raise LockError(f"on {system} with Python {python}: {exc}") from exc


def with_ruff_version(hooks: str, constraints: str) -> str:
    """The text of `.pre-commit-config.yaml` with the version of ruff that the constraints name."""
    (version,) = re.findall(r"^ruff==(\S+)", constraints, re.MULTILINE)
    return re.sub(r"\bruff==[\w.]+", f"ruff=={version}", hooks)


def without_addresses(package_lock: str) -> str:
    """npm's lock file less all addresses: where packages come from and where their makers take donations; the hashes stay."""
    document = json.loads(package_lock)
    for package in document["packages"].values():
        package.pop("resolved", None)
        package.pop("funding", None)
    return json.dumps(document, indent=2) + "\n"


def build_locks(root: Path, target: Path, *, upgrade: Sequence[str] | None) -> None:
    """Make every lock file of `root` under `target`, laid out as in `root`. Raises LockError."""
    (target / "locks").mkdir(parents=True, exist_ok=True)
    constraints = root / "constraints.txt"
    everything = target / "everything.txt"
    if constraints.exists():
        shutil.copyfile(constraints, everything)
    extras = sorted({extra for extras in LOCKED_EXTRAS.values() for extra in extras})
    _run_uv(root, uv_arguments(output=everything, extras=extras, has_hashes=False, upgrade=upgrade))
    resolved = everything.read_text(encoding="utf-8")
    check_matching_pair(resolved)
    header = "# Exact versions the project is tested with, made by installer/lock.py. Do not edit.\n"
    (target / "constraints.txt").write_text(
        header + without_packages(resolved, LEFT_OUT_OF_CONSTRAINTS), encoding="utf-8"
    )
    hooks = (root / HOOKS).read_text(encoding="utf-8")
    (target / HOOKS).write_text(with_ruff_version(hooks, resolved), encoding="utf-8")
    for name in (*LOCKED_EXTRAS, *LOCKED_GROUPS):
        lock_file = target / "locks" / f"{name}.txt"
        if (root / "locks" / f"{name}.txt").exists() and name in LOCKED_GROUPS:
            shutil.copyfile(root / "locks" / f"{name}.txt", lock_file)
        is_group = name in LOCKED_GROUPS
        _run_uv(
            root,
            uv_arguments(
                output=lock_file,
                extras=() if is_group else LOCKED_EXTRAS[name],
                group=name if is_group else None,
                constraints=everything,
                upgrade=upgrade if is_group else None,
            ),
        )
        body = lock_file.read_text(encoding="utf-8")
        header = f"# {describe(name)}; made by installer/lock.py. Do not edit.\n"
        lock_file.write_text(header + body, encoding="utf-8")
    check_wheels(root, everything)
    everything.unlink()
    for folder in NODE_FOLDERS:
        _lock_node(root / folder, target / folder, is_fresh=upgrade is not None)


def describe(name: str) -> str:
    """What one lock file installs, in words."""
    if name in LOCKED_GROUPS:
        return f"Dependency group {name}"
    extras = LOCKED_EXTRAS[name]
    return f"Everything selva-bridge[{','.join(extras)}] needs" if extras else "Everything selva-bridge needs"


def _run_uv(root: Path, arguments: Sequence[str]) -> None:
    """Run from `root`, so that pyproject.toml is found and no path of this machine is written."""
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": MACOS_VERSION},
    )
    if done.returncode != 0:
        hint = (
            f'\nInstall it: "{sys.executable}" -m pip install uv'
            if "No module named uv" in done.stderr
            else ""
        )
        raise LockError(f"uv could not resolve the dependencies:\n{done.stderr}{hint}".rstrip())


def _lock_node(source: Path, target: Path, *, is_fresh: bool) -> None:
    """The lock file of a folder of JavaScript, when npm is here; without npm the one in the repository stays."""
    npm = shutil.which("npm")
    lock_file = source / "package-lock.json"
    target.mkdir(parents=True, exist_ok=True)
    if npm is None:
        if lock_file.exists():
            shutil.copyfile(lock_file, target / lock_file.name)
        return
    for file in (source / "package.json", lock_file):
        if file.exists() and not (is_fresh and file == lock_file):
            shutil.copyfile(file, target / file.name)
    done = subprocess.run(
        [npm, "install", "--package-lock-only", "--no-audit", "--no-fund", "--silent"],
        cwd=target,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LockError(
            f"npm could not resolve the packages of {source}:\n{done.stdout}{done.stderr}".rstrip()
        )
    made = target / lock_file.name
    made.write_text(without_addresses(made.read_text(encoding="utf-8")), encoding="utf-8")
    (target / "package.json").unlink()


def changed_files(root: Path, target: Path) -> list[str]:
    """Lock files under `target` that differ from those under `root`, as paths from `root`."""
    made = [path for path in sorted(target.rglob("*")) if path.is_file()]
    return [
        path.relative_to(target).as_posix()
        for path in made
        if not (root / path.relative_to(target)).exists()
        or (root / path.relative_to(target)).read_bytes() != path.read_bytes()
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Write or check the lock files; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--upgrade", nargs="*", metavar="PACKAGE", help="take newer versions of these, or of all"
    )
    parser.add_argument("--check", action="store_true", help="only say which files would change")
    options = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder)
            build_locks(ROOT, target, upgrade=options.upgrade)
            changed = changed_files(ROOT, target)
            if not options.check:
                for name in changed:
                    (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(target / name, ROOT / name)
    except LockError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    for name in changed:
        print(f"{name} {'is out of date' if options.check else 'written'}")
    if options.check and changed:
        print(f'Run: "{sys.executable}" "{Path(__file__).resolve()}"', file=sys.stderr)
        return 1
    if not changed:
        print("The lock files are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
