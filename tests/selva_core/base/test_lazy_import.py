"""Public names of a package are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from selva_core.base.lazy_import import lazy_names

PACKAGE = "package_with_lazy_names"


@pytest.fixture
def package() -> Iterator[Any]:
    module = ModuleType(PACKAGE)
    names = {"Fraction": "fractions", "gone": "fractions", "anything": "no_such_module"}
    module.__getattr__ = lazy_names(PACKAGE, names)  # type: ignore[method-assign]
    sys.modules[PACKAGE] = module
    yield module
    del sys.modules[PACKAGE]


def test_a_name_is_imported_when_it_is_used_and_then_kept(package: Any) -> None:
    assert "Fraction" not in vars(package)
    assert package.Fraction(1, 2) == 0.5
    assert "Fraction" in vars(package)


def test_a_name_that_is_not_public_is_an_attribute_error(package: Any) -> None:
    with pytest.raises(AttributeError, match=f"module '{PACKAGE}' has no attribute 'Decimal'"):
        _ = package.Decimal


def test_a_name_that_its_module_lacks_is_not_hidden(package: Any) -> None:
    with pytest.raises(AttributeError, match="fractions"):
        _ = package.gone
    with pytest.raises(ModuleNotFoundError):
        _ = package.anything
