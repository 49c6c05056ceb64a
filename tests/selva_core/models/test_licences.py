"""What may be used for paid work, and what was accepted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_core.models.catalog import allowed_models, find_model, listed_models, require_allowed
from selva_core.models.licences import PUBLISHED_LICENCES, AcceptedLicences


def test_selva_nano_alone_may_be_used_for_paid_work() -> None:
    assert [model.model_id for model in listed_models() if model.allows_commercial] == ["selva-nano"]


def test_a_licence_is_asked_about_once(tmp_path: Path) -> None:
    record = AcceptedLicences(tmp_path / "config" / "licences.json")
    assert record.not_accepted(PUBLISHED_LICENCES) == list(PUBLISHED_LICENCES)
    record.accept(PUBLISHED_LICENCES[:2])
    again = AcceptedLicences(tmp_path / "config" / "licences.json")
    assert again.not_accepted(PUBLISHED_LICENCES) == list(PUBLISHED_LICENCES[2:])
    row = json.loads((tmp_path / "config" / "licences.json").read_text())[PUBLISHED_LICENCES[0].licence_id]
    assert row["sentence"] == PUBLISHED_LICENCES[0].sentence
    assert row["accepted_at"].endswith("+00:00")


def test_a_licence_in_other_terms_is_asked_about_again(tmp_path: Path) -> None:
    record = AcceptedLicences(tmp_path / "licences.json")
    record.accept(PUBLISHED_LICENCES)
    changed = replace(PUBLISHED_LICENCES[0], sentence="SelVA weights: other terms.")
    assert record.not_accepted([changed, PUBLISHED_LICENCES[1]]) == [changed]


@pytest.mark.parametrize("content", ["", "[]", '{"mit-bigvgan": 3}', "{", "[" * 100_000])
def test_a_damaged_record_counts_as_empty_and_is_written_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "licences.json").write_text(content)
    record = AcceptedLicences(tmp_path / "licences.json")
    assert record.not_accepted(PUBLISHED_LICENCES) == list(PUBLISHED_LICENCES)
    record.accept(PUBLISHED_LICENCES)
    assert record.not_accepted(PUBLISHED_LICENCES) == []


def test_the_setting_refuses_models_that_are_not_for_paid_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELVA_CONFIG_DIR", str(tmp_path))
    large = find_model("selva-large-44k")
    require_allowed(large)
    assert allowed_models() == listed_models()
    monkeypatch.setenv("SELVA_ONLY_COMMERCIAL_MODELS", "true")
    with pytest.raises(
        ConfigurationError, match=r"CC-BY-NC 4\.0.*Allowed: selva-nano.*config set only_commercial_models"
    ):
        require_allowed(large)
    require_allowed(find_model("selva-nano"))
    assert [model.model_id for model in allowed_models()] == ["selva-nano"]
