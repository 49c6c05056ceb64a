"""The process that talks to Resolve Studio: `python -m selva_plugins.hosts.resolve.scripting.child`.

Resolve's library can hang in a call and can bring its interpreter down, so it is loaded here and nowhere else. One JSON
object per line: requests on standard input; answers, errors and progress on what was standard output when the process began.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from selva_core.base.errors import SelvaError
from selva_plugins.hosts.resolve.plan_schema import PlacementPlan
from selva_plugins.hosts.resolve.scripting.library import connect, find_library, load_library
from selva_plugins.hosts.resolve.scripting.placement import place
from selva_plugins.hosts.resolve.scripting.removal import remove
from selva_plugins.hosts.resolve.scripting.resolve_api import list_timelines, open_timeline
from selva_plugins.hosts.resolve.scripting.timeline_reader import describe_application, take_snapshot

Json = Mapping[str, Any]
OnProgress = Callable[[str], None]


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more: {"do": one of _ACTIONS, and what it needs}."""

    def write(message: Json) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    library: Any = None
    for line in requests:
        request = json.loads(line)
        try:
            write({"progress": "connecting to Resolve"})
            library = library or load_library(find_library())
            # Connected anew for each request: Resolve may have been restarted since, and old objects answer nothing.
            resolve = connect(library)
            action = _ACTIONS[request["do"]]
            write({"answer": action(resolve, request, lambda text: write({"progress": text}))})
        except SelvaError as error:
            write({"error": {"code": error.code, "message": error.message}})


def _place(resolve: Any, request: Json, on_progress: OnProgress) -> Json:
    return place(resolve, PlacementPlan.from_json(request["plan"]), on_progress).to_json()


def _snapshot(resolve: Any, request: Json, on_progress: OnProgress) -> Json:
    on_progress("reading the timeline")
    otio_file = request.get("otio_file")
    return take_snapshot(resolve, Path(otio_file) if otio_file else None)


def _application(resolve: Any, _request: Json, on_progress: OnProgress) -> Json:
    on_progress("asking for its version")
    return describe_application(resolve)


def _remove(resolve: Any, _request: Json, on_progress: OnProgress) -> Json:
    on_progress("removing stems")
    return remove(resolve).to_json()


def _timelines(resolve: Any, _request: Json, on_progress: OnProgress) -> list[dict[str, Any]]:
    on_progress("listing timelines")
    return list_timelines(resolve)


def _open(resolve: Any, request: Json, on_progress: OnProgress) -> bool:
    on_progress("opening a timeline")
    return open_timeline(resolve, request["timeline_id"])


_ACTIONS: Mapping[str, Callable[[Any, Json, OnProgress], Any]] = {
    "application": _application,
    "snapshot": _snapshot,
    "place": _place,
    "remove": _remove,
    "timelines": _timelines,
    "open": _open,
}


def main() -> None:
    """Keep standard output for the answers: Resolve's library prints there."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with answers:
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
