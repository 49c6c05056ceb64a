"""Settings that `selva daemon run` and `start` take for this once; `selva config set` sets them for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True, kw_only=True)
class ServiceFlags:
    """Options by the name of the setting; None for those that were not given."""

    device: Annotated[
        str | None, typer.Option(help='"auto", "cpu", "cuda:0", "mps"; several with commas.')
    ] = None
    keep_alive_s: Annotated[
        float | None,
        typer.Option(
            "--keep-alive", metavar="SECONDS", help="Idle time until a model is unloaded; -1: never."
        ),
    ] = None
    executor: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help='"local", or a Ray cluster: "ray", HEAD:PORT, ray://HEAD:PORT; see docs/how-to/several-machines.md.',
        ),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="auto|low|normal", help="low: parts of a model are on the device only while they run."
        ),
    ] = None
    listen: Annotated[
        str | None, typer.Option(help="Address to listen on; see docs/how-to/another-machine.md.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Those that were given, by the name of the setting."""
        return {name: value for name, value in vars(self).items() if value is not None}
