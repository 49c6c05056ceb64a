"""Threads spin for a moment only, in every process that loads torch, unless the user says how to wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from selva_core.base.openmp import bounded_spinning

ADDED = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "1"}


def test_all_run_time_libraries_are_bounded() -> None:
    assert bounded_spinning({"PATH": "/bin"}) == ADDED


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"])
def test_what_the_user_has_set_stands_alone(name: str) -> None:
    assert bounded_spinning({name: "x"}) == {}


FIRST_LOADED = """
import importlib.abc, os, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("KMP_BLOCKTIME"))
            os._exit(0)

sys.meta_path.insert(0, Watch())
"""


@pytest.mark.parametrize(
    "use",
    [
        "from selva_core.engines import load_engine; load_engine('selva-nano')",
        "import selva_core.network",
        "import selva_core.inference.sampler",
        "import selva_core.training.__main__",
    ],
)
@pytest.mark.parametrize(("own", "expected"), [({}, "3000 1"), ({"GOMP_SPINCOUNT": "7"}, "7 None")])
def test_variables_are_set_when_torch_begins_to_load(use: str, own: dict[str, str], expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ADDED} | own
    done = subprocess.run(
        [sys.executable, "-c", FIRST_LOADED + use],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == expected
