"""Whole projects without a hand on the mouse: `selva render --host resolve` over Studio's external scripting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selva_daemon.client import Client

from selva_core.engine import SamplingSettings
from selva_plugins.bridge import list_notices
from selva_plugins.errors import HostError, NothingToRenderError
from selva_plugins.hosts.resolve import plan_frame, prepare_snapshot
from selva_plugins.hosts.resolve_plan import build_plan, list_place_notices
from selva_plugins.hosts.resolve_studio import StudioBridge
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import connect_to_daemon, render_batches
from selva_plugins.wishes import Wishes


@dataclass(frozen=True, kw_only=True)
class TimelineResult:
    """What became of one timeline: the place report, and what the user should know."""

    timeline_name: str
    report: Mapping[str, Any]
    notices: Sequence[str]

    @property
    def num_placed(self) -> int:
        return sum(stem["status"] == "placed" for stem in self.report["stems"])


def render_in_studio(
    studio: StudioBridge,
    wishes: Wishes,
    *,
    stems_folder: Path | None = None,
    cue_sheet: Path | None = None,
    sampling: SamplingSettings | None = None,
    sample_rate_hz: int | None = None,
    marks_stems: bool = False,
    on_progress: Callable[[RequestProgress], None],
    is_cancelled: Callable[[], bool] = lambda: False,
    connect: Callable[[], Client] = connect_to_daemon,
) -> TimelineResult:
    """Make and place the stems of the current timeline.

    marks_stems: leave a marker where each stem was made. The rest as in `prepare_snapshot`. Raises HostError,
    TimelineError, DaemonError.
    """
    with tempfile.TemporaryDirectory(prefix="selva-") as folder:
        snapshot = studio.take_snapshot(Path(folder) / "timeline.otio")
        prepared = prepare_snapshot(
            snapshot,
            wishes,
            stems_folder=stems_folder,
            cue_sheet=cue_sheet,
            sampling=sampling,
            sample_rate_hz=sample_rate_hz,
        )
    reports = render_batches(
        prepared.batches,
        timeline_name=prepared.timeline_name,
        on_progress=on_progress,
        is_cancelled=is_cancelled,
        connect=connect,
    )
    notices = [*prepared.notices, *list_notices(reports)]
    stems = prepared.build_placements(reports)
    if not stems:
        raise NothingToRenderError(
            "no stem was made: " + ("; ".join(notices[:3]) or "there was nothing to make")
        )
    frame = plan_frame(snapshot, has_markers=marks_stems)
    report = studio.place(build_plan(stems, frame), lambda text: on_progress(_placing(text)))
    return TimelineResult(
        timeline_name=prepared.timeline_name,
        report=report,
        notices=[*notices, *list_place_notices(report, stems)],
    )


def choose_timelines(
    studio: StudioBridge, names: Sequence[str], *, all_of_them: bool
) -> list[Mapping[str, Any]]:
    """The timelines that are meant; the current one by default. Raises HostError for names there are not."""
    listed = studio.list_timelines()
    if all_of_them:
        return listed
    if not names:
        return [timeline for timeline in listed if timeline["is_current"]]
    by_name = {timeline["name"]: timeline for timeline in listed}
    missing = [name for name in names if name not in by_name]
    if missing:
        known = ", ".join(repr(timeline["name"]) for timeline in listed)
        raise HostError(f"no timeline is called {missing[0]!r}; there are {known}")
    return [by_name[name] for name in names]


@contextmanager
def opened_timeline(studio: StudioBridge, timeline: Mapping[str, Any]) -> Iterator[None]:
    """Have a timeline open for a while and give the user's own back."""
    before = next((entry for entry in studio.list_timelines() if entry["is_current"]), None)
    if timeline["is_current"] or (before is not None and before["id"] == timeline["id"]):
        yield
        return
    studio.open_timeline(timeline["id"])
    try:
        yield
    finally:
        if before is not None:
            studio.open_timeline(before["id"])


def _placing(text: str) -> RequestProgress:
    return RequestProgress(message=text, fraction=1.0, seconds_left=None)
