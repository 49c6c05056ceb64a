"""What all steps share: the machine, what the person wants, the record, the log, and how programs are started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from environment import SetupError, venv_python
from foundation.choices import Choices
from foundation.machine import Machine
from foundation.record import Record
from foundation.runner import Finished, Runner
from foundation.source import Source


class Setup:
    """One run of the installer. source: None where nothing is installed, as for removing. is_repair: look at every file."""

    def __init__(
        self, *, machine: Machine, choices: Choices, prefix: Path, record: Record, runner: Runner,
        source: Source | None, installer: Path, is_repair: bool = False, with_models: bool = False,
    ) -> None:  # fmt: skip
        self.machine = machine
        self.choices = choices
        self.prefix = prefix
        self.record = record
        self.runner = runner
        self.source = source
        self.installer = installer
        self.is_repair = is_repair
        self.with_models = with_models
        self.release_lock: Callable[[], None] = lambda: None
        self.notes: list[str] = []
        self.repaired: list[str] = []

    @property
    def say(self) -> Callable[[str], None]:
        return self.runner.say

    def note(self, text: str) -> None:
        """Something the person should read at the end as well."""
        self.runner.log.write(text)
        if text not in self.notes:
            self.notes.append(text)

    @property
    def former_folder(self) -> Path:
        """Copies of what was there before, of files of others."""
        return self.prefix / "former"

    @property
    def downloads(self) -> Path:
        """pip's and uv's caches, so that an interrupted download does not start over; removed in the end."""
        return self.prefix / "downloads"

    @property
    def current_environment(self) -> Path | None:
        """The environment that is in use; None before the first is ready."""
        name = self.record.recall("switch", "environment")
        return self.prefix / name if name else None

    @property
    def new_environment(self) -> Path | None:
        """The environment that was made last, in use or not."""
        name = self.record.recall("python", "environment")
        return self.prefix / name if name else None

    def require_source(self) -> Source:
        assert self.source is not None, "steps that install are given a source"
        return self.source

    def python_of(self, environment: Path) -> Path:
        return venv_python(environment, os_name=self.machine.os_name)

    def script_of(self, environment: Path) -> Path:
        """The command `selva` of an environment."""
        folder = self.python_of(environment).parent
        return folder / ("selva.exe" if self.machine.is_windows else "selva")

    def selva(self, *arguments: str, environment: Path | None = None, purpose: str = "") -> Finished:
        """Run a command of the installed product. Raises SetupError when `purpose` is given and it fails."""
        environment = environment or self.current_environment
        if environment is None:
            return Finished(127, "nothing is installed yet")
        python = self.python_of(environment)
        return self.runner.run(
            [str(python), "-X", "utf8", "-I", "-m", "selva_cli", *arguments], purpose=purpose
        )

    def remove_tree(self, path: Path) -> None:
        """Delete a file, a link or a folder with all in it; one that is gone already is fine. Raises SetupError."""
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(str(path))
            elif path.exists() or path.is_symlink():
                path.unlink()
        except FileNotFoundError:
            pass
        except OSError as exc:
            raise SetupError(f"{path} cannot be removed, a program may use it: {exc}") from exc
