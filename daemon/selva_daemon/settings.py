"""The settings as the daemon needs them: with what must hold of several of them together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_core.base.command_line import selva_command
from selva_core.base.environment import iter_unknown_variables
from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import Settings, find_settings
from selva_core.base.settings.checks import LOCAL

_CLUSTER_DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, kw_only=True)
class DaemonSettings(Settings):
    """Every setting (`selva_core.base.settings`). Raises ConfigurationError when one is not allowed beside the others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.listens_on_loopback and not self.output_folders:
            raise ConfigurationError(
                f"listening on {self.listen} needs output_folders: others on the network must not write wherever you can; "
                f"name them with {selva_command('config', 'set', 'output_folders', 'FOLDER')}, or listen here only: "
                f"{selva_command('config', 'unset', 'listen')}"
            )
        if self.executor != LOCAL and self.device not in _CLUSTER_DEVICES:
            raise ConfigurationError(
                f"device is one of {', '.join(_CLUSTER_DEVICES)} with executor {self.executor}, for every node of the "
                f"cluster; got {self.device}. Undo it with: {selva_command('config', 'unset', 'device')}"
            )


def load_settings(
    file: Path, *, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> DaemonSettings:
    """Defaults < file < environment < flags. Raises ConfigurationError that names the source of each bad value, also for a
    variable with a misspelt name: a daemon runs for weeks, and nobody would see why it has no effect.
    """
    unknown = list(iter_unknown_variables(os.environ if environment is None else environment))
    if unknown:
        raise ConfigurationError("; ".join(unknown))
    found = find_settings(file, environment=environment, flags=flags)
    return DaemonSettings(**{name: each.value for name, each in found.items()})
