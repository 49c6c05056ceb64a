"""Whole projects without a hand on the mouse: `selva render --host resolve` over Studio's external scripting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.engine import SamplingSettings
from selva_daemon.client.client import Client
from selva_otio import SpotOptions, TimelineError
from selva_plugins.bridge import PreparedRequest, make_stems
from selva_plugins.errors import HostError, NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm
from selva_plugins.hosts.resolve.adapter import plan_frame, prepare_snapshot
from selva_plugins.hosts.resolve.plan import build_plan, list_place_notices
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import connect_to_daemon


@dataclass(frozen=True, kw_only=True)
class TimelineResult:
    """What became of one timeline: the place report, and what the user should know. `refusal`: why there was nothing to
    place.
    """

    timeline_name: str
    report: Mapping[str, Any] = field(default_factory=lambda: {"stems": []})
    notices: Sequence[str] = ()
    refusal: SelvaError | TimelineError | None = None

    @property
    def num_placed(self) -> int:
        return sum(stem["status"] == "placed" for stem in self.report["stems"])

    @property
    def is_whole(self) -> bool:
        """Whether everything that was asked for lies on the timeline."""
        return self.refusal is None and self.num_placed == len(self.report["stems"])


@dataclass(frozen=True, kw_only=True)
class StudioRender:
    """HostForm for timelines of Studio, as `prepare_snapshot` takes them. marks_stems: leave a marker where each stem was
    made. replaces: earlier stems in the same place give way.
    """

    wishes: HostForm
    stems_folder: Path | None = None
    cue_sheet: Path | None = None
    options: SpotOptions | None = None
    sampling: SamplingSettings | None = None
    sample_rate_hz: int | None = None
    marks_stems: bool = False
    replaces: bool = False

    def prepare(self, snapshot: Mapping[str, Any]) -> PreparedRequest:
        """Raises HostError, TimelineError."""
        return prepare_snapshot(
            snapshot,
            self.wishes,
            stems_folder=self.stems_folder,
            cue_sheet=self.cue_sheet,
            options=self.options,
            sampling=self.sampling,
            sample_rate_hz=self.sample_rate_hz,
        )


def render_timelines(
    studio: StudioBridge,
    timelines: Sequence[Mapping[str, Any]],
    render: StudioRender,
    *,
    on_progress: Callable[[RequestProgress], None],
    connect: Callable[[], Client] = connect_to_daemon,
) -> Iterator[TimelineResult]:
    """One timeline after the other; one that nothing can be made for does not stop the next.

    The user's own timeline is open again after each. Raises HostError, DaemonError.
    """
    for timeline in timelines:
        try:
            with opened_timeline(studio, timeline):
                result = render_in_studio(studio, render, on_progress=on_progress, connect=connect)
        except (NothingToRenderError, SnapshotError, TimelineError) as error:
            result = TimelineResult(timeline_name=timeline["name"], refusal=error)
        yield result


def render_in_studio(
    studio: StudioBridge,
    render: StudioRender,
    *,
    on_progress: Callable[[RequestProgress], None],
    is_cancelled: Callable[[], bool] = lambda: False,
    connect: Callable[[], Client] = connect_to_daemon,
) -> TimelineResult:
    """Make and place the stems of the current timeline. Raises HostError, TimelineError, DaemonError."""
    with tempfile.TemporaryDirectory(prefix="selva-") as folder:
        snapshot = studio.take_snapshot(
            Path(folder) / "timeline.otio", lambda text: on_progress(_doing(text))
        )
        prepared = render.prepare(snapshot)
    made = make_stems(prepared, on_progress=on_progress, is_cancelled=is_cancelled, connect=connect)
    plan = build_plan(
        made.placements, plan_frame(snapshot, has_markers=render.marks_stems, replaces=render.replaces)
    )
    report = studio.place(plan, lambda text: on_progress(_doing(text, fraction=1.0)))
    return TimelineResult(
        timeline_name=prepared.timeline_name,
        report=report,
        notices=[*made.notices, *list_place_notices(report, made.placements)],
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


def _doing(text: str, *, fraction: float = 0.0) -> RequestProgress:
    return RequestProgress(message=text, fraction=fraction, seconds_left=None)
