"""Requests of the scripts that are refused before anything is rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_plugins.errors import FormError, HostError
from selva_plugins.hosts.reaper.adapter import prepare
from tests.selva_plugins.reaper.snapshots import item_of, request_of, snapshot_text


def test_form_without_sounds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="name at least one sound"):
        prepare(request_of("items", snapshot_text(item_of()), tmp_path, sounds=[]))


def test_unknown_model_is_a_fault_of_the_form(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="selva-huge"):
        prepare(
            request_of("items", snapshot_text(item_of()), tmp_path, sounds=["Dog: bark"], model="selva-huge")
        )


def test_unknown_action_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        HostError, match="an action is items, regions, takes, redo, extend, conform_render or check"
    ):
        prepare(request_of("dance", snapshot_text(item_of()), tmp_path))
