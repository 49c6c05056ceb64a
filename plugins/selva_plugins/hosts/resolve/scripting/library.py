"""Resolve's scripting library: where it lies, how it is loaded, and whether Resolve lets this program in."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selva_plugins.hosts.resolve.errors import ResolveNotFoundError, ResolveRefusedError, ResolveVersionError
from selva_plugins.hosts.resolve.scripting.resolve_api import MIN_VERSION, call, is_at_least


def find_library(*, platform: str = sys.platform, environment: Mapping[str, str] | None = None) -> Path:
    """The scripting library: RESOLVE_SCRIPT_LIB, or where Resolve installs it. Raises ResolveNotFoundError."""
    values = os.environ if environment is None else environment
    chosen = values.get("RESOLVE_SCRIPT_LIB")
    paths = [Path(chosen)] if chosen else list(_iter_usual_paths(platform, values))
    for path in paths:
        if path.exists():
            return path
    tried = ", ".join(str(path) for path in paths)
    raise ResolveNotFoundError(
        f"DaVinci Resolve's scripting library is not at {tried}; install Resolve Studio, or set RESOLVE_SCRIPT_LIB to "
        "fusionscript of your installation"
    )


def _iter_usual_paths(platform: str, environment: Mapping[str, str]) -> Iterator[Path]:
    if platform == "darwin":
        for name in (
            "DaVinci Resolve/DaVinci Resolve.app",
            "DaVinci Resolve Studio.app",
            "DaVinci Resolve.app",
        ):
            yield Path("/Applications") / name / "Contents" / "Libraries" / "Fusion" / "fusionscript.so"
    elif platform == "win32":
        folder = environment.get("PROGRAMFILES", r"C:\Program Files")
        yield Path(folder) / "Blackmagic Design" / "DaVinci Resolve" / "fusionscript.dll"
    else:
        yield Path("/opt/resolve/libs/Fusion/fusionscript.so")
        yield Path("/home/resolve/libs/Fusion/fusionscript.so")


def load_library(path: Path) -> Any:
    """The module `fusionscript`. Raises ResolveNotFoundError when it cannot be loaded by this Python."""
    is_binary = path.suffix in (".so", ".dll")
    loader = importlib.machinery.ExtensionFileLoader("fusionscript", str(path)) if is_binary else None
    spec = importlib.util.spec_from_file_location("fusionscript", path, loader=loader)
    if spec is None or spec.loader is None:
        raise ResolveNotFoundError(f"{path} is not a scripting library")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ResolveNotFoundError(
            f"{path} cannot be loaded by Python {sys.version.split()[0]}: {error}"
        ) from error
    return module


def connect(library: Any, *, platform: str = sys.platform) -> Any:
    """The `resolve` object. Raises ResolveRefusedError, ResolveVersionError."""
    resolve = library.scriptapp("Resolve")
    if (
        resolve is None and platform == "darwin"
    ):  # there Studio may listen on a network address only, not on localhost
        for address in _own_addresses():
            resolve = resolve or library.scriptapp("Resolve", address)
    if resolve is None:
        raise ResolveRefusedError(
            "Resolve lets no program in: is Resolve Studio running, and is Preferences > System > General > 'External scripting "
            "using' set to Local? The free edition has no external scripting; there use Workspace > Scripts > Selva"
        )
    if not is_at_least(resolve, MIN_VERSION):
        wanted = ".".join(str(field) for field in MIN_VERSION)
        raise ResolveVersionError(
            f"this is Resolve {call(resolve, 'GetVersionString')}; {wanted} or later is needed: older ones ignore where a clip "
            "should go"
        )
    return resolve


def _own_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})
