"""How the daemon behaves: defaults, then the file `daemon.json`, then SELVA_* variables, then flags."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, inspect

from selva_core.base.environment import iter_unknown_variables
from selva_core.base.errors import ConfigurationError
from selva_core.base.misspelling import suggest
from selva_core.base.regular_file import read_bounded
from selva_core.base.schema import bare_type, extra_of, one_of, struct_type

GIB = 1 << 30
MAX_SETTINGS_BYTES = 1 << 20
MIN_PORT, MAX_PORT = 1024, 65535
LOG_LEVELS = ("debug", "info", "warning", "error")
EARLIER_NAMES: Mapping[str, str] = {"jobs_together": "max_batch_jobs"}
"""Settings that were renamed. Files and variables that have the earlier name stay valid."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")
_KINDS: Mapping[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.VarTupleType: "a list of texts",
}


class DaemonSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Checked when built: raises ConfigurationError. Times are seconds."""

    device: Annotated[
        str,
        Meta(
            description="`cpu`, `cuda`, `cuda:1`, `mps`; several with commas, each with a worker of its own"
        ),
    ] = "auto"
    keep_alive_s: Annotated[
        float, Meta(description="idle seconds until a model is unloaded; 0 immediately, -1 never")
    ] = 300.0
    max_batch_jobs: Annotated[
        int,
        Meta(
            ge=1,
            description="up to so many waiting jobs of one length share batches on a GPU; 1 runs each by itself. Until "
            "0.1.0 this was called `jobs_together`, and that name stays valid",
        ),
    ] = 8
    interactive_in_a_row: Annotated[
        int,
        Meta(ge=1, description="after so many interactive jobs a batch job (the watch folder's) is run"),
    ] = 8
    max_queued_jobs: Annotated[
        int, Meta(ge=1, description="more are refused, with their position and estimated times")
    ] = 10_000
    max_finished_jobs: Annotated[int, Meta(ge=1, description="how many the history keeps")] = 5_000
    stem_cache_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="size of the cache of finished sound; the least recently used goes first; 0 stores nothing",
        ),
    ] = 10 * GIB
    feature_cache_bytes: Annotated[
        int, Meta(ge=0, description="the same for what the model sees of a picture")
    ] = 10 * GIB
    output_folders: Annotated[
        tuple[str, ...],
        Meta(description="stems are written below these only; none named: wherever you may write"),
    ] = ()
    listen: Annotated[
        str,
        Meta(
            description="the address to listen on; another than loopback needs `output_folders` and an invited client"
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(description="the first of three ports; 0 lets the system choose at each start")
    ] = 0
    drain_timeout_s: Annotated[
        float, Meta(gt=0, description="how long running jobs may go on when the daemon is stopped")
    ] = 30.0
    cancel_grace_s: Annotated[
        float, Meta(gt=0, description="a worker that does not react to a cancel for so long is ended")
    ] = 30.0
    stall_timeout_s: Annotated[
        float,
        Meta(gt=0, description="a job without progress for so long is hung; its worker is replaced"),
    ] = 900.0
    heartbeat_timeout_s: Annotated[
        float, Meta(gt=0, description="a worker silent for so long is replaced")
    ] = 120.0
    log_level: Annotated[str, one_of(LOG_LEVELS, "`debug`, `info`, `warning`, `error`")] = "info"

    def __post_init__(self) -> None:
        for field in struct_type(type(self)).fields:
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigurationError(f"{field.name} is a finite number; got {value}", name=field.name)
            _check_limits(field, value)
        if not (self.keep_alive_s >= 0 or self.keep_alive_s == -1):
            raise ConfigurationError(
                f"keep_alive_s is -1 (for ever) or 0 and more; got {self.keep_alive_s:g}"
            )
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


def _check_limits(field: inspect.Field, value: Any) -> None:
    """The limits of the annotation. msgspec checks them only when it decodes, and settings are also built in Python."""
    node = bare_type(field.type)
    if isinstance(node, inspect.IntType | inspect.FloatType):
        if node.gt is not None and not value > node.gt:
            raise ConfigurationError(f"{field.name} is more than {node.gt}; got {value}", name=field.name)
        if node.ge is not None and not value >= node.ge:
            raise ConfigurationError(f"{field.name} is at least {node.ge}; got {value}", name=field.name)
    choices = extra_of(field.type).get("choices")
    if choices is not None and value not in choices:
        raise ConfigurationError(f"{field.name} is {', '.join(choices)}; got {value!r}", name=field.name)


def setting_names() -> tuple[str, ...]:
    """Every name under which a setting is read from the file, and in capitals after SELVA_ from the environment."""
    return (*DaemonSettings.__struct_fields__, *EARLIER_NAMES)


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
        chosen |= _convert_all(values, source=source)
    return DaemonSettings(**chosen)


def _read_file(file: Path) -> Mapping[str, Any]:
    try:
        values = msgspec.json.decode(read_bounded(file, MAX_SETTINGS_BYTES))
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as exc:
        raise ConfigurationError(f"{file} cannot be read as JSON: {exc}", path=str(file)) from exc
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file} holds one JSON object; got {type(values).__name__}", path=str(file))
    return values


def _read_environment(environment: Mapping[str, str]) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    types = _types_by_name()
    for name in setting_names():
        text = environment.get(f"SELVA_{name.upper()}")
        if text:
            is_list = isinstance(types.get(name), inspect.VarTupleType)
            values[name] = text.split(os.pathsep) if is_list else text
    return values


def _types_by_name() -> Mapping[str, inspect.Type]:
    return {field.name: bare_type(field.type) for field in struct_type(DaemonSettings).fields}


def _convert_all(values: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for given_name, value in values.items():
        name = EARLIER_NAMES.get(given_name, given_name)
        if name in converted:
            earlier = next(each for each, present in EARLIER_NAMES.items() if present == name)
            raise ConfigurationError(
                f"{source}: {earlier} is the earlier name of {name}; say one of them", name=name
            )
        converted[name] = _convert(name, value, source=source)
    return converted


def _convert(name: str, value: Any, *, source: str) -> Any:
    """Numbers may be written as text, which is all that variables can hold."""
    types = _types_by_name()
    if name not in types:
        raise ConfigurationError(
            f"{source}: there is no setting {name!r}; known are {', '.join(types)}{suggest(name, types)}",
            name=name,
        )
    kind = type(types[name])
    python_kind = {inspect.IntType: int, inspect.FloatType: float, inspect.StrType: str}.get(
        kind, tuple[str, ...]
    )
    try:
        return msgspec.convert(value.strip() if isinstance(value, str) else value, python_kind, strict=False)
    except msgspec.ValidationError as exc:
        raise ConfigurationError(f"{source}: {name} is {_KINDS[kind]}; got {value!r}", name=name) from exc
