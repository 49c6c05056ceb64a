"""From the earlier environment to the new one: the daemon is drained first, and what is outdated goes last."""

from __future__ import annotations

import os
from pathlib import Path

from foundation import locations
from foundation.changes import missing_folders
from foundation.record import write_whole
from steps.daemon import stop_daemon
from steps.packages import wanted_stamp
from steps.setup import Setup
from steps.step import Step


def launcher_path(setup: Setup) -> Path:
    """The command `selva` whose path stays the same in every version."""
    return setup.prefix / ("selva.cmd" if setup.machine.is_windows else "selva")


def windows_launcher(environment: str) -> bytes:
    """A command file; by its own folder, so that no path beyond ASCII stands in it: cmd reads it in the code page of the
    console."""
    return f'@echo off\r\n"%~dp0{environment}\\Scripts\\selva.exe" %*\r\n'.encode("ascii")


def replace_link(path: Path, target: Path) -> None:
    """Point a symbolic link elsewhere without a moment in which there is none. Raises OSError."""
    temporary = path.with_name(f".{path.name}.new")
    if temporary.is_symlink():
        temporary.unlink()
    temporary.symlink_to(target)
    os.replace(str(temporary), str(path))


class SwitchStep(Step):
    """Use the new environment."""

    name, title = "switch", "use the new environment"

    def plan(self, setup: Setup) -> list[str]:
        return [f"write {launcher_path(setup)}", "drain a daemon that runs, to start it again afterwards"]

    def is_done(self, setup: Setup) -> bool:
        environment = setup.current_environment
        if environment is None or environment != setup.new_environment:
            return False
        is_wanted = setup.record.recall(self.name, "stamp") == wanted_stamp(setup)
        return (
            is_wanted and setup.record.is_finished(self.name) and self._is_launcher_right(setup, environment)
        )

    def _is_launcher_right(self, setup: Setup, environment: Path) -> bool:
        path = launcher_path(setup)
        if setup.machine.is_windows:
            return path.is_file() and path.read_bytes() == windows_launcher(environment.name)
        return path.is_symlink() and path.exists() and Path(os.readlink(path)) == setup.script_of(environment)

    def apply(self, setup: Setup) -> None:
        environment = setup.new_environment
        assert environment is not None, "an earlier step makes it"
        if environment != setup.current_environment:
            stop_daemon(setup, setup.current_environment or environment)
        setup.record.will_make(self.name, launcher_path(setup))
        if setup.machine.is_windows:
            write_whole(launcher_path(setup), windows_launcher(environment.name))
        else:
            replace_link(launcher_path(setup), setup.script_of(environment))
        setup.record.version = setup.require_source().version
        setup.record.remember(self.name, environment=environment.name, stamp=wanted_stamp(setup))

    def undo(self, setup: Setup) -> None:
        if setup.current_environment is not None:
            stop_daemon(setup, setup.current_environment)
        setup.remove_tree(launcher_path(setup))

    def plan_undo(self, setup: Setup) -> list[str]:
        return ["stop the daemon, after its running jobs", f"remove {launcher_path(setup)}"]


class CommandStep(Step):
    """A link where the person's shell looks for commands."""

    name, title = "command", "command selva"

    def plan(self, setup: Setup) -> list[str]:
        path = self._path(setup)
        return [f"link {path} to {launcher_path(setup)}"] if path else []

    def is_done(self, setup: Setup) -> bool:
        path = self._path(setup)
        return path is None or _points_to(path, launcher_path(setup)) or self._is_foreign(setup, path)

    def apply(self, setup: Setup) -> None:
        path = self._path(setup)
        assert path is not None, "is_done says so otherwise"
        setup.record.remember(self.name, folders=[str(folder) for folder in missing_folders(path.parent)])
        setup.record.will_make(self.name, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_link(path, launcher_path(setup))
        if str(path.parent) not in setup.machine.environment.get("PATH", "").split(os.pathsep):
            setup.note(f"{path.parent} is not on your PATH; the command is also {launcher_path(setup)}")

    def undo(self, setup: Setup) -> None:
        for path in setup.record.made(self.name):
            if _points_to(path, launcher_path(setup)):
                setup.remove_tree(path)
        for folder in setup.record.recall(self.name, "folders", []):
            try:
                Path(folder).rmdir()
            except OSError:  # others use it too
                break

    def _path(self, setup: Setup) -> Path | None:
        folder = locations.command_folder(setup.machine)
        return folder / "selva" if folder is not None and setup.choices.command else None

    def _is_foreign(self, setup: Setup, path: Path) -> bool:
        """A command of the same name that another installation put there stays."""
        if os.path.lexists(path) and path not in setup.record.made(self.name):
            setup.note(
                f"{path} is of another installation and stays; this one's command is {launcher_path(setup)}"
            )
            return True
        return False


def _points_to(path: Path, target: Path) -> bool:
    return path.is_symlink() and Path(os.readlink(path)) == target


class CleanUpStep(Step):
    """Environments that are in use no more, and downloads."""

    name, title = "cleanup", "remove what is not needed any more"

    def plan(self, setup: Setup) -> list[str]:
        return [f"remove {path}" for path in self._outdated(setup)]

    def is_done(self, setup: Setup) -> bool:
        return not self._outdated(setup)

    def apply(self, setup: Setup) -> None:
        for path in self._outdated(setup):
            setup.remove_tree(path)

    def _outdated(self, setup: Setup) -> list[Path]:
        current = setup.current_environment
        found = [path for path in sorted(setup.prefix.glob("env-*")) if path != current]
        return [*found, *([setup.downloads] if setup.downloads.exists() else [])]
