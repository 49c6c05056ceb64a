"""The folder of the installation, and the copy of this installer in it, by which it is removed later."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from environment import SetupError
from foundation.changes import missing_folders, prune_folders
from foundation.record import RECORD_NAME
from steps.setup import Setup
from steps.step import Step

LOG_NAME = "install.log"
LOCK_NAME = "install.lock"
INSTALLER_FILES = ("install.py", "environment.py")
OWN_NAMES = {RECORD_NAME, LOG_NAME, LOCK_NAME, f".{RECORD_NAME}.new"}


def check_prefix(prefix: Path, *, has_record: bool) -> None:
    """Refuse a folder that holds something else, before anything is written. Raises SetupError."""
    if has_record or not prefix.exists():
        return
    if not prefix.is_dir():
        raise SetupError(f"{prefix} is a file; name a folder with --prefix")
    others = sorted(entry.name for entry in prefix.iterdir() if entry.name not in OWN_NAMES)
    if others:
        raise SetupError(
            f"{prefix} is not empty and holds no installation of Selva ({', '.join(others[:3])}); name a new folder with "
            f"--prefix, such as {prefix / 'selva-bridge'}"
        )


def make_prefix(prefix: Path) -> list[Path]:
    """Make the folder; returns those that were made, the deepest first. Raises SetupError."""
    missing = missing_folders(prefix)
    try:
        prefix.mkdir(parents=True, exist_ok=True)
        probe = prefix / f".{RECORD_NAME}.new"  # a folder on a read-only disk can be there and take nothing
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as exc:
        raise SetupError(
            f"nothing can be written into {prefix}: {exc.strerror or exc}; name another folder with --prefix"
        ) from exc
    return missing


def discard_prefix(prefix: Path, folders: list[Path]) -> None:
    """Remove what a run left in the folder that ended without a record: the next run knows an installation by its record."""
    for name in OWN_NAMES:
        with contextlib.suppress(OSError):
            (prefix / name).unlink()
    prune_folders(folders, [])


class PrefixStep(Step):
    """The folder is there already, because the record lies in it."""

    name, title = "prefix", "installer"

    def plan(self, setup: Setup) -> list[str]:
        lines = [] if setup.prefix.exists() else [f"make {setup.prefix}"]
        return [*lines, *(f"write {path}" for path in (setup.prefix / RECORD_NAME, setup.prefix / LOG_NAME)),
                f"write {setup.prefix / 'installer'}"]  # fmt: skip

    def is_done(self, setup: Setup) -> bool:
        target = setup.prefix / "installer"
        if setup.installer.resolve() == target.resolve():
            return True
        return setup.record.is_finished(self.name) and all(
            (target / path.relative_to(setup.installer)).is_file()
            and (target / path.relative_to(setup.installer)).read_bytes() == path.read_bytes()
            for path in installer_files(setup.installer)
        )

    def apply(self, setup: Setup) -> None:
        target = setup.prefix / "installer"
        setup.record.will_make(self.name, target)
        for path in installer_files(setup.installer):
            copy = target / path.relative_to(setup.installer)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(path), str(copy))

    def undo(self, setup: Setup) -> None:
        setup.remove_tree(setup.prefix / "installer")
        setup.remove_tree(setup.former_folder)


def installer_files(folder: Path) -> list[Path]:
    """What the installer needs to run from another place."""
    return [
        *(folder / name for name in INSTALLER_FILES),
        *sorted(folder.glob("foundation/*.py")),
        *sorted(folder.glob("steps/*.py")),
    ]


def remove_prefix(setup: Setup) -> list[str]:
    """Remove record, log and the folders that were made for it; returns the names of what others put there."""
    folders = setup.record.recall("prefix", "folders", [])
    setup.runner.log.close()
    setup.release_lock()
    for name in OWN_NAMES:
        setup.remove_tree(setup.prefix / name)
    prune_folders(folders, [])
    return sorted(entry.name for entry in setup.prefix.iterdir()) if setup.prefix.is_dir() else []
