"""`selva models`."""

from __future__ import annotations

from tests.selva_cli.command_line import RunCommand, read_json


def test_the_models_are_listed_with_what_is_installed(selva: RunCommand) -> None:
    models = {row["model"]: row for row in read_json(selva("models", "list", "--json"))}
    assert {"selva-nano", "selva-small-16k", "selva-large-44k"} <= set(models)
    assert models["selva-large-44k"]["installed"] is False
    assert "selva-nano" in selva("models", "list")[1]
