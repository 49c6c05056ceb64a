"""Fetching a published model from the page: licence first, progress that is seen, and what went wrong in words."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from selva_core.base.paths import AppPaths
from selva_core.models.catalog import MODELS, default_models_dir, find_model, missing_files
from selva_panel.errors import NothingToDoError, PanelRequestError
from selva_panel.jobs.daemon_link import DaemonLink
from selva_panel.jobs.model_pulls import ModelPulls
from tests.support.hub_server import HubServer
from tests.support.tiny_models import FIRST, publish, tiny_models

ROOT = Path(__file__).resolve().parents[3]
COMMAND = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from selva_core.models import catalog
from tests.support.tiny_models import tiny_models
catalog.MODELS = {{"selva-nano": catalog.MODELS["selva-nano"], **tiny_models()}}
from selva_cli.main import main
sys.exit(main())
"""
"""`selva` as it is installed, but for two tiny models that are published on the hub of the test."""


class WatchedLink:
    """What pages would see of a pull, one entry for each change."""

    def __init__(self) -> None:
        self.pulling: dict[str, dict[str, Any]] = {}
        self.seen: list[dict[str, Any] | None] = []

    def show_models(self) -> None:
        self.seen.append(self.pulling.get(FIRST))

    async def poll(self) -> None:
        return None


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    monkeypatch.setattr(
        "selva_core.models.catalog.MODELS", {"selva-nano": MODELS["selva-nano"], **tiny_models()}
    )
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in ("XDG_DATA_HOME", "SELVA_STATE_DIR", "SELVA_CACHE_DIR", "SELVA_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("SELVA_MODELS_DIR", str(tmp_path / "models"))
    with HubServer().running() as server:
        publish(server)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


def pull_in_page(link: WatchedLink, folder: Path, *, accept_licence: bool = True) -> None:
    """Until the process that fetches has ended."""
    script = folder / "selva_with_tiny_models.py"
    script.write_text(COMMAND)

    async def run() -> None:
        command = [sys.executable, str(script)]
        pulls = ModelPulls(cast(DaemonLink, link), AppPaths.find(), command=command)
        pulls.pull(FIRST, accept_licence=accept_licence)
        with pytest.raises(NothingToDoError, match="being fetched already"):
            pulls.pull(FIRST, accept_licence=True)
        await asyncio.gather(*pulls._tasks)

    asyncio.run(run())


def test_a_model_is_fetched_once_its_licence_is_accepted(hub: HubServer, tmp_path: Path) -> None:
    link = WatchedLink()
    with pytest.raises(PanelRequestError, match="accept the licences of selva-first first"):
        pull_in_page(link, tmp_path, accept_licence=False)
    assert (hub.requests, link.pulling) == ([], {})
    pull_in_page(link, tmp_path)
    assert missing_files(find_model(FIRST), default_models_dir()) == {}
    assert default_models_dir() == tmp_path / "models"
    *running, last = link.seen
    assert {entry["state"] for entry in running if entry} == {"running"}
    done = [entry["done"] for entry in running if entry]
    assert done == sorted(done)
    assert last is None, "an installed model is no longer being fetched"
    with pytest.raises(NothingToDoError, match="installed already"):
        pull_in_page(link, tmp_path)


def test_a_pull_that_fails_says_why(hub: HubServer, tmp_path: Path) -> None:
    hub.files = {name: content for name, content in hub.files.items() if name[1] != "vae.safetensors"}
    link = WatchedLink()
    pull_in_page(link, tmp_path)
    failed = link.pulling[FIRST]
    assert failed["state"] == "failed"
    assert "vae.safetensors" in failed["message"]


def test_a_pull_is_cancelled_and_can_begin_again(hub: HubServer) -> None:
    link = WatchedLink()

    async def run() -> None:
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        pulls = ModelPulls(cast(DaemonLink, link), AppPaths.find(), command=command)
        with pytest.raises(NothingToDoError, match="selva-first is not being fetched"):
            pulls.cancel(FIRST)
        for _ in range(2):
            pulls.pull(FIRST, accept_licence=True)
            while not pulls._processes:
                await asyncio.sleep(0.01)
            pulls.cancel(FIRST)
            await asyncio.gather(*pulls._tasks)
            assert link.pulling == {}, "no failure is shown of what a person has ended"

    asyncio.run(run())
