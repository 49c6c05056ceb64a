"""The settings: a field each, with its row in the annotation. Nothing else must be written for a new one."""

from __future__ import annotations

import dataclasses
import ipaddress
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from selva_core.base.settings.checks import (
    address_problem,
    device_problem,
    executor_problem,
    folders_problem,
    keep_alive_problem,
    port_problem,
    separation_problem,
    share_problem,
    watched_twice_problem,
)
from selva_core.base.settings.row import Row, Setting
from selva_core.base.settings.watched_folder import WatchedFolder

GIB = 1 << 30
_FOLDERS, _MODELS, _DAEMON = "Folders", "Models and stems", "The daemon"
_QUEUE, _CACHES, _NETWORK, _WATCH = "The queue", "Caches", "Network", "Watch folders"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The value of every setting, checked when it is built: raises ConfigurationError. Times are seconds.

    A folder that is None is the platform's own; a model that is None is the largest one installed.
    """

    model: Annotated[
        str | None,
        Row(
            group=_MODELS,
            since="0.2.0",
            about="the model to use where none is named, a row of `selva models list`",
            unset="the largest one installed",
        ),
    ] = None
    only_commercial_models: Annotated[
        bool,
        Row(group=_MODELS, since="0.2.0", about="refuse models whose licences do not allow paid work"),
    ] = False
    absent: Annotated[
        str,
        Row(
            group=_MODELS,
            since="0.2.0",
            choices=("silent", "keep"),
            about="what becomes of a stem whose thing is not in the picture, where the model can tell",
        ),
    ] = "silent"
    pan: Annotated[
        str,
        Row(
            group=_MODELS,
            since="0.2.0",
            choices=("off", "envelope", "stereo"),
            about="whether stems are heard from where their thing is seen: by a curve in the host, or by stereo files",
        ),
    ] = "off"
    pan_width: Annotated[
        float,
        Row(
            group=_MODELS,
            since="0.2.0",
            unit="of hard left and right",
            check=share_problem,
            about="how far left and right the edges of the picture are heard",
        ),
    ] = 1.0
    separate: Annotated[
        float,
        Row(
            group=_MODELS,
            since="0.2.0",
            unit="as a weight, 0 to 4",
            check=separation_problem,
            about="how far each stem is led away from the other prompts of its clip: 0 not at all, 1 a good value",
        ),
    ] = 0.0
    precision: Annotated[
        str,
        Row(
            group=_MODELS,
            since="0.2.0",
            choices=("auto", "float32", "bfloat16"),
            restart=True,
            about="how exactly the network calculates; `auto` takes what is quick on the device",
        ),
    ] = "auto"
    acceleration: Annotated[
        str,
        Row(
            group=_MODELS,
            since="0.2.0",
            choices=("plain", "fused", "compiled", "graphs"),
            restart=True,
            about="how the network runs on a CUDA device; `bench/acceleration.py` measures which one pays there",
        ),
    ] = "plain"
    memory: Annotated[
        str,
        Row(
            group=_MODELS,
            since="0.2.0",
            choices=("auto", "low", "normal"),
            restart=True,
            about="which parts of a model are on its device: `normal` all, `low` each only while it runs, `auto` what fits",
        ),
    ] = "auto"
    models_dir: Annotated[
        Path | None,
        Row(
            group=_FOLDERS,
            since="0.2.0",
            about="where weights are stored",
            unset="`models` in the folder for user data",
            restart=True,
        ),
    ] = None
    cache_dir: Annotated[
        Path | None,
        Row(
            group=_FOLDERS,
            since="0.2.0",
            about="where the caches are",
            unset="the platform's cache folder",
            restart=True,
        ),
    ] = None
    stems_dir: Annotated[
        Path | None,
        Row(
            group=_FOLDERS,
            since="0.2.0",
            about="where `selva render` puts stems, in a folder named as the timeline",
            unset="`stems` beside the timeline",
        ),
    ] = None
    output_folders: Annotated[
        tuple[str, ...],
        Row(
            group=_FOLDERS,
            restart=True,
            check=folders_problem,
            about="the daemon writes stems below these only; none named: wherever you may write",
        ),
    ] = ()
    device: Annotated[
        str,
        Row(
            group=_DAEMON,
            restart=True,
            check=device_problem,
            about="`cpu`, `cuda`, `cuda:1`, `mps`; several with commas, each with a worker of its own",
        ),
    ] = "auto"
    executor: Annotated[
        str,
        Row(
            group=_DAEMON,
            since="0.2.0",
            restart=True,
            check=executor_problem,
            about="where stems are rendered: `local`, or a Ray cluster: `ray` (of this machine alone), `HEAD:PORT`, "
            "`ray://HEAD:PORT` (docs/how-to/several-machines.md)",
        ),
    ] = "local"
    prewarm: Annotated[
        bool,
        Row(
            group=_DAEMON,
            since="0.2.0",
            restart=True,
            about="load a model as soon as a client that renders connects",
        ),
    ] = True
    keep_alive_s: Annotated[
        float,
        Row(
            group=_DAEMON,
            restart=True,
            unit="seconds",
            check=keep_alive_problem,
            about="idle time until a model is unloaded; 0 immediately, -1 never",
        ),
    ] = 300.0
    drain_timeout_s: Annotated[
        float,
        Row(
            group=_DAEMON,
            restart=True,
            unit="seconds",
            more_than=0,
            about="how long running jobs may go on when the daemon is stopped",
        ),
    ] = 30.0
    cancel_grace_s: Annotated[
        float,
        Row(
            group=_DAEMON,
            restart=True,
            unit="seconds",
            more_than=0,
            about="a worker that does not react to a cancel for so long is ended",
        ),
    ] = 30.0
    stall_timeout_s: Annotated[
        float,
        Row(
            group=_DAEMON,
            restart=True,
            unit="seconds",
            more_than=0,
            about="a job without progress for so long is hung; its worker is replaced",
        ),
    ] = 900.0
    heartbeat_timeout_s: Annotated[
        float,
        Row(
            group=_DAEMON,
            restart=True,
            unit="seconds",
            more_than=0,
            about="a worker silent for so long is replaced",
        ),
    ] = 120.0
    log_level: Annotated[
        str,
        Row(
            group=_DAEMON,
            restart=True,
            choices=("debug", "info", "warning", "error"),
            about="how much the log holds; prompts only at `debug`",
        ),
    ] = "info"
    max_batch_jobs: Annotated[
        int,
        Row(
            group=_QUEUE,
            restart=True,
            unit="jobs",
            at_least=1,
            earlier_names=("jobs_together",),
            about="up to so many waiting jobs of one length share batches on a GPU; 1 runs each by itself",
        ),
    ] = 8
    interactive_in_a_row: Annotated[
        int,
        Row(
            group=_QUEUE,
            restart=True,
            unit="jobs",
            at_least=1,
            about="after so many interactive jobs a batch job (the watch folder's) is run",
        ),
    ] = 8
    max_queued_jobs: Annotated[
        int,
        Row(
            group=_QUEUE,
            restart=True,
            unit="jobs",
            at_least=1,
            about="more are refused, with their position and estimated times",
        ),
    ] = 10_000
    max_finished_jobs: Annotated[
        int,
        Row(group=_QUEUE, restart=True, unit="jobs", at_least=1, about="how many the history keeps"),
    ] = 5_000
    stem_cache_bytes: Annotated[
        int,
        Row(
            group=_CACHES,
            restart=True,
            unit="bytes",
            at_least=0,
            about="size of the cache of finished sound; the least recently used goes first; 0 stores nothing",
        ),
    ] = 10 * GIB
    feature_cache_bytes: Annotated[
        int,
        Row(
            group=_CACHES,
            restart=True,
            unit="bytes",
            at_least=0,
            about="the same for what the model sees of a picture",
        ),
    ] = 10 * GIB
    listen: Annotated[
        str,
        Row(
            group=_NETWORK,
            restart=True,
            check=address_problem,
            about="the address to listen on; another than loopback needs `output_folders` and an invited client",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Row(
            group=_NETWORK,
            restart=True,
            check=port_problem,
            about="the first of three ports; 0 lets the system choose at each start",
        ),
    ] = 0
    watch_folders: Annotated[
        tuple[WatchedFolder, ...],
        Row(
            group=_WATCH,
            since="0.2.0",
            check=watched_twice_problem,
            item=WatchedFolder.from_value,
            list_of="absolute paths, or tables with `path`",
            about="the folders that the daemon watches: paths, or tables of what `selva watch add` takes "
            "(docs/how-to/watch-folder.md)",
        ),
    ] = ()
    watch_items_at_once: Annotated[
        int,
        Row(
            group=_WATCH,
            since="0.2.0",
            unit="items",
            at_least=1,
            about="how many items of watch folders are rendered at the same time; the others wait outside the queue",
        ),
    ] = 2
    watch_webhook_hosts: Annotated[
        tuple[str, ...],
        Row(
            group=_WATCH,
            since="0.2.0",
            list_of="names of hosts",
            about="hosts other than this machine that webhooks of watch folders may be sent to",
        ),
    ] = ()

    def __post_init__(self) -> None:
        for name, setting in rows().items():
            setting.require_allowed(getattr(self, name))

    @property
    def ports(self) -> tuple[int, int, int]:
        """For jobs, control and events; 0 where the system chooses."""
        return (self.port, self.port + 1, self.port + 2) if self.port else (0, 0, 0)

    @property
    def listens_on_loopback(self) -> bool:
        return ipaddress.ip_address(self.listen).is_loopback


@cache
def rows() -> Mapping[str, Setting]:
    """Every setting by its name, in the order of the table."""
    hints = get_type_hints(Settings, include_extras=True)
    found = {}
    for field in dataclasses.fields(Settings):
        annotated, row = get_args(hints[field.name])
        found[field.name] = Setting(
            name=field.name, kind=_bare_kind(annotated), default=field.default, row=row
        )
    return found


def current_name(name: str) -> str:
    """The name that a setting has now, for a name that it had earlier."""
    return next((each for each, setting in rows().items() if name in setting.row.earlier_names), name)


def all_names() -> tuple[str, ...]:
    """Every name under which a setting is read from a file, and in capitals after SELVA_ from the environment."""
    earlier = (name for setting in rows().values() for name in setting.row.earlier_names)
    return (*rows(), *earlier)


def _bare_kind(annotated: Any) -> type:
    """The type without the None of a setting that may be absent."""
    if isinstance(annotated, types.UnionType):
        annotated = next(each for each in get_args(annotated) if each is not type(None))
    kind: type = get_origin(annotated) or annotated
    return kind
