"""Imports transformers past a torchaudio or torchvision that does not load.

transformers imports both wherever they are installed, although the text towers need neither; each is built against one
release of torch, and fails beside another.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from selva_core.base.child_process import python_executable
from selva_core.base.command_line import quote_command

_COMPANIONS = ("torchaudio", "torchvision")
_NEEDED = ("CLIPTextConfig", "CLIPTextModel", "T5Config", "T5EncoderModel")
_log = logging.getLogger(__name__)


def import_transformers() -> ModuleType:
    """transformers, with the classes of the text towers loaded. Logs one warning for each companion that is broken."""
    with _hidden([name for name in _COMPANIONS if _is_broken(name)]):
        transformers = importlib.import_module("transformers")
        for name in _NEEDED:  # its names are loaded when they are first read
            getattr(transformers, name)
    return transformers


def _is_broken(name: str) -> bool:
    if name in sys.modules or importlib.util.find_spec(name) is None:
        return False
    try:
        importlib.import_module(name)
    except Exception as exc:  # OSError, ImportError, RuntimeError: it depends on which library does not fit
        remedy = quote_command(python_executable(), "-m", "pip", "uninstall", "--yes", name)
        reason = str(exc).partition("\n")[0]
        _log.warning(
            "%s is installed and does not load (%s); Selva Bridge does not need it and goes on without. Remove it: %s",
            name,
            reason,
            remedy,
        )
        return True
    return False


@contextmanager
def _hidden(names: list[str]) -> Iterator[None]:
    """For importlib, modules of these names are not installed."""
    try:
        for name in names:
            sys.modules[name] = None  # type: ignore[assignment]  # documented: importing it then fails
        yield
    finally:
        for name in names:
            del sys.modules[name]
