"""A model is loaded by name; libraries that do not load are told as a broken installation."""

from __future__ import annotations

import sys

import pytest

from selva_core.base.errors import InstallationBrokenError
from selva_core.engines import load_engine


def test_library_that_does_not_load_is_a_broken_installation_with_the_command_that_repairs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "selva_core.engines.loading", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "selva_core.engines.network", None)
    with pytest.raises(InstallationBrokenError, match="-m pip install") as caught:
        load_engine("selva-nano")
    assert caught.value.code == "installation-broken"


def test_engine_without_a_network_needs_none_of_those_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert load_engine("selva-echo").model_id == "selva-echo"
