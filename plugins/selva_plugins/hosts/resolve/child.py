"""The process that talks to Resolve Studio: `python -m selva_plugins.hosts.resolve.child`.

Resolve's library can hang in a call and can bring its interpreter down, so it is loaded here and nowhere
else. One JSON object per line: requests on standard input, answers and progress on what was standard
output when the process began.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from selva_core.base.errors import SelvaError
from selva_plugins.hosts.resolve.errors import ResolveNotFoundError, ResolveRefusedError, ResolveVersionError
from selva_plugins.hosts.resolve.objects import MIN_VERSION, ask, is_at_least, list_timelines, open_timeline
from selva_plugins.hosts.resolve.placer import place
from selva_plugins.hosts.resolve.remove import remove
from selva_plugins.hosts.resolve.snapshot import describe_application, take_snapshot


def find_library(*, platform: str = sys.platform, environment: Mapping[str, str] | None = None) -> Path:
    """The scripting library: RESOLVE_SCRIPT_LIB, or where Resolve installs it. Raises
    ResolveNotFoundError.
    """
    values = os.environ if environment is None else environment
    told = values.get("RESOLVE_SCRIPT_LIB")
    places = [Path(told)] if told else list(_usual_places(platform, values))
    for place_of in places:
        if place_of.exists():
            return place_of
    tried = ", ".join(str(path) for path in places)
    raise ResolveNotFoundError(
        f"DaVinci Resolve's scripting library is not at {tried}; install Resolve Studio, or set RESOLVE_SCRIPT_LIB to "
        "fusionscript of your installation"
    )


def _usual_places(platform: str, environment: Mapping[str, str]) -> Iterator[Path]:
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
        raise ResolveNotFoundError(f"{path} is no scripting library")
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
    if resolve is None and platform == "darwin":  # Studio may listen on a network address only
        for address in _own_addresses():
            resolve = resolve or library.scriptapp("Resolve", address)
    if resolve is None:
        raise ResolveRefusedError(
            "Resolve lets no program in: is Resolve Studio running, and is Preferences > System > General > 'External scripting "
            "using' set to Local? The free edition has no such door; there use Workspace > Scripts > Selva"
        )
    if not is_at_least(resolve, MIN_VERSION):
        wanted = ".".join(str(field) for field in MIN_VERSION)
        raise ResolveVersionError(
            f"this is Resolve {ask(resolve, 'GetVersionString')}; {wanted} or later is needed: older ones ignore where a clip "
            "should go"
        )
    return resolve


def _own_addresses() -> list[str]:
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more: {"do": one of _ACTS, and what it needs}."""

    def write(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    library: Any = None
    for line in requests:
        request = json.loads(line)
        try:
            write({"progress": "connecting to Resolve"})
            library = library or load_library(find_library())
            resolve = connect(library)
            write({"answer": _answer(resolve, request, lambda text: write({"progress": text}))})
        except SelvaError as error:
            write({"error": {"code": error.code, "message": error.message}})


def _answer(resolve: Any, request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    act = _ACTS[request["do"]]
    return act(resolve, request, on_progress)


def _place(resolve: Any, request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    return place(resolve, request["plan"], on_progress)


def _snapshot(resolve: Any, request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    on_progress("reading the timeline")
    otio_file = request.get("otio_file")
    return take_snapshot(resolve, Path(otio_file) if otio_file else None)


def _application(resolve: Any, _request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    on_progress("asking for its version")
    return describe_application(resolve)


def _remove(resolve: Any, _request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    on_progress("removing stems")
    return remove(resolve)


def _timelines(resolve: Any, _request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    on_progress("listing timelines")
    return list_timelines(resolve)


def _open(resolve: Any, request: Mapping[str, Any], on_progress: Callable[[str], None]) -> Any:
    on_progress("opening a timeline")
    return open_timeline(resolve, request["timeline_id"])


_ACTS: Mapping[str, Callable[[Any, Mapping[str, Any], Callable[[str], None]], Any]] = {
    "application": _application,
    "snapshot": _snapshot,
    "place": _place,
    "remove": _remove,
    "timelines": _timelines,
    "open": _open,
}


def main() -> None:
    """Keep standard output for ourselves: libraries print there."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with answers:
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
