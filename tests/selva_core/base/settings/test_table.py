"""The rows of settings: complete, and of one form."""

from __future__ import annotations

import re

import pytest

from selva_core.base.errors import ConfigurationError
from selva_core.base.settings import Settings, rows


@pytest.mark.parametrize("name", rows())
def test_a_row_says_all_that_a_page_needs_of_it(name: str) -> None:
    setting = rows()[name]
    assert setting.row.about
    assert not setting.row.about.endswith(".")
    assert re.fullmatch(r"\d+\.\d+\.\d+", setting.row.since)
    assert (setting.default is None) == bool(setting.row.unset)
    assert (setting.kind in (int, float)) <= bool(setting.row.unit or name == "port")
    assert setting.variable == f"SELVA_{name.upper()}"


def test_defaults_are_allowed() -> None:
    defaults = Settings()
    assert [getattr(defaults, name) for name in rows()] == [setting.default for setting in rows().values()]


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("stem_cache_bytes", "20 GiB", 20 << 30),
        ("stem_cache_bytes", "1.5GB", 1_500_000_000),
        ("stem_cache_bytes", "100 bytes", 100),
        ("stem_cache_bytes", 1e9, 1_000_000_000),
        ("keep_alive_s", " 2.5 ", 2.5),
        ("keep_alive_s", "-1", -1.0),
        ("only_commercial_models", "yes", True),
        ("only_commercial_models", "0", False),
        ("max_queued_jobs", "200", 200),
        ("device", "cuda:0,cuda:1", "cuda:0,cuda:1"),
    ],
)
def test_texts_become_values(name: str, given: object, value: object) -> None:
    assert rows()[name].convert(given) == value


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("stem_cache_bytes", "20 GiBi", "a whole number; got '20 GiBi'"),
        ("max_queued_jobs", "2 GB", "a whole number"),
        ("max_queued_jobs", 1.5, "a whole number"),
        ("max_queued_jobs", float("inf"), "a whole number"),
        ("only_commercial_models", "perhaps", "true or false; got 'perhaps'"),
        ("keep_alive_s", True, "a number; got True"),
        ("absent", "loud", "absent is silent, keep; got 'loud'"),
        ("models_dir", "models", "an absolute path; got 'models'"),
        ("models_dir", "", "the path of a folder"),
        ("output_folders", "/a", "a list of texts"),
        ("device", ["cpu"], "a text"),
    ],
)
def test_what_is_no_value_of_a_setting_is_refused(name: str, given: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        rows()[name].convert(given)
