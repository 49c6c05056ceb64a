"""Loads the installer's scripts: they lie in a folder that is no package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
INSTALLER = ROOT / "installer"


def load_script(name: str) -> ModuleType:
    """The module made from `installer/NAME.py`, without running it as a command."""
    if str(INSTALLER) not in sys.path:  # scripts import each other
        sys.path.append(str(INSTALLER))
    spec = importlib.util.spec_from_file_location(f"selva_installer_{name}", INSTALLER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module they are defined in
    spec.loader.exec_module(module)
    return module


def load_step_module(name: str) -> ModuleType:
    """The module `installer/NAME` with dots, such as steps.command; they know each other, so that each is loaded once."""
    if str(INSTALLER) not in sys.path:
        sys.path.append(str(INSTALLER))
    return importlib.import_module(name)
