"""The folders that were chosen for models, cache and stems: made, and written into the product's settings."""

from __future__ import annotations

import contextlib
from pathlib import Path

from environment import SetupError
from foundation.changes import keep_former, missing_folders, note_written, restore
from steps.setup import Setup
from steps.step import Step

NAMES = ("models_dir", "cache_dir", "stems_dir")


class SettingsStep(Step):
    """`selva config set`, so that the daemon, the hosts' bridges and the command line all use them."""

    name, title = "settings", "chosen folders"

    def plan(self, setup: Setup) -> list[str]:
        return [
            line
            for name, folder in self._chosen(setup).items()
            for line in ([] if Path(folder).is_dir() else [f"make {folder}"]) + [f"set {name} to {folder}"]
        ]

    def is_done(self, setup: Setup) -> bool:
        chosen = self._chosen(setup)
        is_same = setup.record.recall(self.name, "chosen", {}) == chosen
        return is_same and (not chosen or setup.record.is_finished(self.name))

    def apply(self, setup: Setup) -> None:
        paths = setup.record.recall("packages", "paths")
        keep_former(setup.record, self.name, [Path(paths["settings"])], setup.former_folder)
        for name, folder in self._chosen(setup).items():
            setup.record.will_make(self.name, *missing_folders(Path(folder)))
            try:
                Path(folder).mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                option = f"--{name.replace('_', '-')}"
                raise SetupError(
                    f"{folder} cannot be made: {exc.strerror}; name another with {option}"
                ) from exc
            setup.selva("config", "set", name, folder, purpose=f"the setting {name} could not be written")
        setup.record.remember(self.name, chosen=self._chosen(setup))
        note_written(setup.record, self.name)

    def undo(self, setup: Setup) -> None:
        for path in restore(setup.record, self.name, setup.former_folder):
            setup.note(f"{path} was changed since, and stays as it is")
        for folder in sorted(setup.record.made(self.name), key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):  # it holds stems or models of the user
                folder.rmdir()
            if folder.is_dir():
                setup.note(f"{folder} is not empty, and stays")

    def _chosen(self, setup: Setup) -> dict[str, str]:
        values = {name: getattr(setup.choices, name) for name in NAMES}
        return {name: str(folder) for name, folder in values.items() if folder is not None}
