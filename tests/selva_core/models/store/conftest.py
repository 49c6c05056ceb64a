"""A table of two tiny models, and a folder in which the first is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_core.models.catalog import MODELS
from tests.support.hub_server import HubServer
from tests.support.pulling import pull
from tests.support.tiny_models import FIRST, publish, tiny_models


@pytest.fixture(autouse=True)
def _tiny_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        "selva_core.models.catalog.MODELS", {"selva-nano": MODELS["selva-nano"], **tiny_models()}
    )
    monkeypatch.setenv("SELVA_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("SELVA_MODELS_DIR", raising=False)


@pytest.fixture
def tiny_hub(hub: HubServer) -> HubServer:
    publish(hub)
    return hub


@pytest.fixture
def models_dir(tmp_path: Path, tiny_hub: HubServer) -> Path:
    folder = tmp_path / "models"
    pull(tiny_models()[FIRST], folder, tiny_hub)
    return folder
