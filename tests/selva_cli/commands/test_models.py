"""`selva models`."""

from __future__ import annotations

import re

import pytest

from selva_core.models.catalog import listed_models
from tests.selva_cli.command_line import RunCommand, read_json


def test_the_models_are_listed_with_what_is_installed(selva: RunCommand) -> None:
    models = {row["model"]: row for row in read_json(selva("models", "list", "--json"))}
    assert {"selva-nano", "selva-small-16k", "selva-large-44k"} <= set(models)
    assert models["selva-large-44k"]["installed"] is False
    assert "selva-nano" in selva("models", "list")[1]


def test_names_of_models_are_whole_on_a_narrow_terminal(
    selva: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    status, output, _ = selva("models", "list")
    assert status == 0
    assert all(model.model_id in output for model in listed_models())
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in output.splitlines()) <= 80
