"""Pulls from a hub on loopback."""

from __future__ import annotations

from pathlib import Path

from selva_core.models.catalog import Model
from selva_core.models.pull import PullProgress, PullReport, pull_model
from selva_core.models.transfer.hub import Hub
from tests.support.hub_server import HubServer


def pull(
    model: Model, folder: Path, hub: HubServer, *, seen: list[PullProgress] | None = None, **options: bool
) -> PullReport:
    """Without waiting between attempts, and without the tokens of this machine."""
    return pull_model(
        model,
        folder,
        on_progress=(seen if seen is not None else []).append,
        hub=Hub({"HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "no-home")}),
        sleep=lambda _: None,
        **options,
    )


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    )
