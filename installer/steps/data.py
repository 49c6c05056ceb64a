"""What the product makes when it is used: queue, log, keys, settings, caches, models. Noted before the first use, so that
removing takes away what was not there before, and nothing else."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from environment import SetupError
from foundation import locations
from foundation.changes import missing_folders, prune_folders
from steps.setup import Setup
from steps.step import Step

CACHES = ("stems", "features")
"""What the daemon makes in a cache folder that may be shared with others."""


class DataStep(Step):
    """Look which of the product's folders are there already."""

    name, title = "data", "what is there already"

    def plan(self, setup: Setup) -> list[str]:
        return []

    def is_done(self, setup: Setup) -> bool:
        return setup.record.is_finished(self.name)

    def apply(self, setup: Setup) -> None:
        paths: dict[str, str] = setup.record.recall("packages", "paths")
        folders = [paths["state"], paths["config"], *self._caches(setup, paths["cache"])]
        models = str(setup.choices.models_dir or paths["models"])
        setup.record.remember(
            self.name,
            fresh=[path for path in folders if not os.path.lexists(path)],
            models=models,
            has_fresh_models=not os.path.lexists(models),
            folders=sorted(
                {str(folder) for path in folders for folder in missing_folders(Path(path).parent)}
            ),
        )

    def _caches(self, setup: Setup, default: str) -> list[str]:
        """Of a chosen folder only what the daemon makes in it; the usual one whole."""
        chosen = setup.choices.cache_dir
        return [default] if chosen is None else [str(chosen / name) for name in CACHES] + [default]

    def undo(self, setup: Setup) -> None:
        for path in map(Path, self._fresh(setup)):
            setup.remove_tree(path)
            self._remove_empty(setup, path.parent)
        prune_folders(setup.record.recall(self.name, "folders", []), [])
        models = setup.record.recall(self.name, "models")
        if models is None:
            return
        if not setup.with_models:
            if Path(models).is_dir() and any(Path(models).iterdir()):
                setup.note(f"models stay in {models}; remove them with --uninstall --with-models, or by hand")
        elif setup.record.recall(self.name, "has_fresh_models"):
            setup.remove_tree(Path(models))
        else:
            setup.note(f"{models} was there before Selva was installed, and stays; remove it by hand")
        self._remove_empty(setup, Path(models))

    def plan_undo(self, setup: Setup) -> list[str]:
        fresh = [path for path in self._fresh(setup) if os.path.lexists(path)]
        models = setup.record.recall(self.name, "models")
        is_removed = models and setup.with_models and setup.record.recall(self.name, "has_fresh_models")
        return [f"remove {path}" for path in [*fresh, *([models] if is_removed else [])]]

    def _fresh(self, setup: Setup) -> list[str]:
        fresh: list[str] = setup.record.recall(self.name, "fresh", [])
        for path in fresh:
            if (
                not Path(path).is_absolute() or len(Path(path).parts) < 3
            ):  # a damaged record must not empty a disk
                raise SetupError(
                    f"the install record names {path} as a folder of Selva's; nothing was removed"
                )
        return fresh

    def _remove_empty(self, setup: Setup, folder: Path) -> None:
        """The product's folders above those removed, where nothing else is in them."""
        while folder.name in (locations.APP, "models"):
            with contextlib.suppress(OSError):
                folder.rmdir()
            if folder.exists():
                return
            folder = folder.parent
