"""The names that selva_plugins exports, and what importing it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

import selva_plugins

LISTS_HEAVY_MODULES = (
    "import sys, selva_plugins, selva_plugins.errors, selva_plugins.hosts.reaper, selva_plugins.hosts.script_install; "
    "print(*sorted({'torch', 'av', 'zmq', 'opentimelineio'} & set(sys.modules)))"
)


@pytest.mark.parametrize("name", selva_plugins.__all__)
def test_exported_name_is_there(name: str) -> None:
    assert getattr(selva_plugins, name).__module__.startswith("selva_plugins.")
    assert name in dir(selva_plugins)


def test_name_that_is_not_exported_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Prepared'"):
        _ = selva_plugins.Prepared


def test_importing_the_package_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTS_HEAVY_MODULES], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
