"""The public face of each package: what `__all__` names is there, is documented, and costs nothing to import."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = (
    "selva_core",
    "selva_core.base",
    "selva_otio",
    "selva_daemon",
    "selva_render",
    "selva_cli",
    "selva_plugins",
    "selva_panel",
)
HEAVY = {"torch", "torchaudio", "transformers", "av"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_named_once(package: str) -> None:
    face = importlib.import_module(package)
    names = list(face.__all__)
    assert names == sorted(set(names))
    submodules = {module.name for module in pkgutil.iter_modules(face.__path__)}
    missing = [name for name in names if name not in submodules and not hasattr(face, name)]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_class_and_function_has_a_docstring(package: str) -> None:
    face = importlib.import_module(package)
    public = {name: getattr(face, name, None) for name in face.__all__}
    silent = [
        name
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and not inspect.getdoc(value)
    ]
    assert silent == []


def test_every_package_and_room_says_what_it_is() -> None:
    silent = []
    for package in PACKAGES:
        face = importlib.import_module(package)
        rooms = [
            module.name for module in pkgutil.walk_packages(face.__path__, f"{package}.") if module.ispkg
        ]
        for room in (package, *rooms):
            text = importlib.import_module(room).__doc__ or ""
            if len(text.split()) < 5 or "TODO" in text:
                silent.append(room)
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_all_public_names_together_load_neither_torch_nor_av(package: str) -> None:
    program = f"from {package} import *\nimport json, sys\nprint(json.dumps([m.partition('.')[0] for m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert not HEAVY & set(json.loads(done.stdout))
