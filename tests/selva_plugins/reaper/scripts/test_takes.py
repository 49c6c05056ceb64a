"""New takes from the recipes in takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from selva_plugins.errors import NothingToRenderError
from selva_plugins.hosts.reaper.adapter import prepare
from tests.selva_plugins.reaper.snapshots import item_of, request_of, snapshot_text


def test_item_that_is_no_stem_gets_no_takes(tmp_path: Path) -> None:
    with pytest.raises(NothingToRenderError, match="Selva did not make its active take"):
        prepare(request_of("takes", snapshot_text(item_of()), tmp_path))


@pytest.mark.parametrize("recipe", ["{", "[]", '{"schema": "selva.recipe/1"}', '{"schema": "other"}'])
def test_recipe_that_is_not_valid_is_refused(tmp_path: Path, recipe: str) -> None:
    item = item_of()
    assert item.take is not None
    item = replace(item, active_take=(replace(item.take, recipe=recipe),), recipes=(recipe,))
    with pytest.raises(NothingToRenderError, match="the recipe in the take"):
        prepare(request_of("takes", snapshot_text(item), tmp_path))
