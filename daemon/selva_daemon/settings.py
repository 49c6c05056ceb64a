"""How the daemon behaves: defaults, then the file `daemon.json`, then SELVA_* variables, then flags."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from selva_core.base.environment import iter_unknown_variables
from selva_core.base.errors import ConfigurationError
from selva_core.base.misspelling import suggest

GIB = 1 << 30
MIN_PORT, MAX_PORT = 1024, 65535
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
_WORDS: Mapping[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}
_ACCEPTED: Mapping[type, tuple[type, ...]] = {str: (str,), tuple: (list, tuple)}
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class DaemonSettings:
    """Checked when built. Times are seconds.

    device: "auto", or what selva_core accepts ("cpu", "cuda:1", "mps"). keep_alive_s: how long an idle
    model stays loaded; 0 not at all, -1 for ever. stall_timeout_s: a job without progress for so long is
    hung. heartbeat_timeout_s: a worker silent for so long is dead. max_queued_jobs: more are refused with
    QueueFullError. max_finished_jobs: how many the history keeps. output_folders: stems are written below
    these only; empty means wherever the user may write (then only loopback may be listened on). listen: the
    address to bind; another than loopback needs client keys and output_folders. port: the first of the three
    ports, 0 lets the system choose them at each start. interactive_in_a_row: after
    so many interactive jobs a batch job gets its turn. max_batch_jobs: up to so many waiting jobs of one length
    share batches, where the model gains from it (on a GPU); 1 runs each by itself.
    """

    device: str = "auto"
    keep_alive_s: float = 300.0
    stall_timeout_s: float = 900.0
    heartbeat_timeout_s: float = 120.0
    cancel_grace_s: float = 30.0
    drain_timeout_s: float = 30.0
    max_queued_jobs: int = 10_000
    max_finished_jobs: int = 5_000
    interactive_in_a_row: int = 8
    max_batch_jobs: int = 8
    stem_cache_bytes: int = 10 * GIB
    feature_cache_bytes: int = 10 * GIB
    listen: str = "127.0.0.1"
    port: int = 0
    output_folders: tuple[str, ...] = ()
    log_level: str = "info"

    def __post_init__(self) -> None:
        for name in ("stall_timeout_s", "heartbeat_timeout_s", "cancel_grace_s", "drain_timeout_s"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} is more than 0; got {getattr(self, name)}", name=name)
        for name in ("max_queued_jobs", "max_finished_jobs", "interactive_in_a_row", "max_batch_jobs"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is at least 1; got {getattr(self, name)}", name=name)
        for name in ("stem_cache_bytes", "feature_cache_bytes"):
            if getattr(self, name) < 0:
                raise ConfigurationError(f"{name} is at least 0; got {getattr(self, name)}", name=name)
        if self.keep_alive_s < 0 and self.keep_alive_s != -1:
            raise ConfigurationError(
                f"keep_alive_s is -1 (for ever) or 0 and more; got {self.keep_alive_s:g}"
            )
        if self.log_level not in LOG_LEVELS:
            raise ConfigurationError(f"log_level is {', '.join(LOG_LEVELS)}; got {self.log_level!r}")
        self._check_device()
        self._check_reach()

    def _check_device(self) -> None:
        for device in self.device.split(","):
            if not _DEVICE.fullmatch(device.strip()):
                raise ConfigurationError(
                    f"device is auto, cpu, cuda, cuda:0 or mps, several with commas; got {self.device!r}"
                )

    def _check_reach(self) -> None:
        if self.port != 0 and not MIN_PORT <= self.port <= MAX_PORT - 2:
            raise ConfigurationError(
                f"port is 0 (the system chooses) or {MIN_PORT} to {MAX_PORT - 2}; got {self.port}"
            )
        if any(not Path(folder).is_absolute() for folder in self.output_folders):
            raise ConfigurationError(f"output_folders are absolute paths; got {list(self.output_folders)}")
        if not self.listens_on_loopback and not self.output_folders:
            raise ConfigurationError(
                f"listening on {self.listen} needs output_folders: "
                "others on the network must not write wherever you can"
            )

    @property
    def ports(self) -> tuple[int, int, int]:
        """For jobs, control and events; 0 where the system chooses."""
        return (self.port, self.port + 1, self.port + 2) if self.port else (0, 0, 0)

    @property
    def listens_on_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.listen).is_loopback
        except ValueError:
            raise ConfigurationError(
                f"listen is an IP address such as 127.0.0.1; got {self.listen!r}"
            ) from None


def setting_names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(DaemonSettings.__annotations__)


def load_settings(
    file: Path, *, environment: Mapping[str, str] | None = None, flags: Mapping[str, Any] | None = None
) -> DaemonSettings:
    """Defaults < file < environment < flags. Raises ConfigurationError naming the source of a bad value."""
    environment = os.environ if environment is None else environment
    unknown = list(iter_unknown_variables(environment, setting_names()))
    if unknown:
        raise ConfigurationError("; ".join(unknown))
    chosen: dict[str, Any] = {}
    for source, values in (
        (str(file), _read_file(file)),
        ("the environment", _read_environment(environment)),
        ("the command line", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        for name, value in values.items():
            chosen[name] = _converted(name, value, source=source)
    return DaemonSettings(**chosen)


def _read_file(file: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{file} cannot be read as JSON: {exc}", path=str(file)) from exc
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file} holds one JSON object; got {type(values).__name__}", path=str(file))
    return values


def _read_environment(environment: Mapping[str, str]) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    for setting in fields(DaemonSettings):
        text = environment.get(f"SELVA_{setting.name.upper()}")
        if text:
            values[setting.name] = text.split(os.pathsep) if isinstance(setting.default, tuple) else text
    return values


def _converted(name: str, value: Any, *, source: str) -> Any:
    defaults = {setting.name: setting.default for setting in fields(DaemonSettings)}
    if name not in defaults:
        raise ConfigurationError(
            f"{source}: there is no setting {name!r}; known are {', '.join(defaults)}{suggest(name, defaults)}",
            name=name,
        )
    kind: type = type(defaults[name])
    accepted = _ACCEPTED.get(kind, (int, float, str))
    try:
        if isinstance(value, bool) or not isinstance(value, accepted):
            raise TypeError(type(value).__name__)
        return kind(value)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"{source}: {name} is {_WORDS[kind]}; got {value!r}", name=name) from exc
