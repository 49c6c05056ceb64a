"""Whole projects rendered without anybody at the host: `selva render --host resolve` over Studio's external scripting."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_core.base.render_options import SamplingOptions
from selva_daemon.client.client import Client
from selva_otio import SpotOptions, TimelineError
from selva_plugins.bridge import PreparedRequest, make_stems
from selva_plugins.errors import HostError, NothingToRenderError, SnapshotError
from selva_plugins.form import HostForm
from selva_plugins.hosts.resolve.adapter import prepare_snapshot
from selva_plugins.hosts.resolve.plan import build_plan, build_target, list_place_notices
from selva_plugins.hosts.resolve.plan_schema import ListedTimeline, PlacementReport, PlanStem
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot
from selva_plugins.hosts.resolve.studio import StudioBridge
from selva_plugins.progress import RequestProgress
from selva_plugins.rendering import connect_to_daemon


@dataclass(frozen=True, kw_only=True)
class TimelineResult:
    """What became of one timeline: the placement report and what the user should know; or why nothing was placed."""

    timeline_name: str
    report: PlacementReport | None = None
    notices: Sequence[str] = ()
    error: SelvaError | None = None

    @property
    def num_placed(self) -> int:
        return 0 if self.report is None else self.report.num_placed

    @property
    def num_stems(self) -> int:
        return 0 if self.report is None else len(self.report.stems)

    @property
    def is_complete(self) -> bool:
        """Whether every stem that was planned lies on the timeline."""
        return self.error is None and self.num_placed == self.num_stems


@dataclass(frozen=True, kw_only=True)
class StudioRender:
    """What to render on timelines of Studio, as `prepare_snapshot` takes it. marks_stems: leave a marker where each stem was
    made. replaces: earlier stems of ours in the same place are replaced.
    """

    form: HostForm
    stems_folder: Path | None = None
    cue_sheet: Path | None = None
    options: SpotOptions | None = None
    sampling: SamplingOptions | None = None
    sample_rate_hz: int | None = None
    marks_stems: bool = False
    replaces: bool = False

    def prepare(self, snapshot: ResolveSnapshot) -> PreparedRequest[PlanStem]:
        """Raises HostError, TimelineError."""
        return prepare_snapshot(
            snapshot,
            self.form,
            stems_folder=self.stems_folder,
            cue_sheet=self.cue_sheet,
            options=self.options,
            sampling=self.sampling,
            sample_rate_hz=self.sample_rate_hz,
        )


def render_timelines(
    studio: StudioBridge,
    timelines: Sequence[ListedTimeline],
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
            result = TimelineResult(timeline_name=timeline.name, error=error)
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
        export = Path(folder) / "timeline.otio"
        snapshot = studio.take_snapshot(export, lambda text: on_progress(_build_progress(text)))
        prepared = render.prepare(snapshot)
    made = make_stems(prepared, on_progress=on_progress, is_cancelled=is_cancelled, connect=connect)
    target = build_target(snapshot, marks_stems=render.marks_stems, replaces=render.replaces)
    plan = build_plan(made.placements, target)
    report = studio.place(plan, lambda text: on_progress(_build_progress(text, fraction=1.0)))
    return TimelineResult(
        timeline_name=prepared.timeline_name,
        report=report,
        notices=[*made.notices, *list_place_notices(report, plan.stems)],
    )


def choose_timelines(
    studio: StudioBridge, names: Sequence[str], *, all_of_them: bool
) -> list[ListedTimeline]:
    """The timelines of these names; the current one by default. Raises HostError for names that no timeline has."""
    timelines = studio.list_timelines()
    if all_of_them:
        return timelines
    if not names:
        return [timeline for timeline in timelines if timeline.is_current]
    by_name = {timeline.name: timeline for timeline in timelines}
    missing = [name for name in names if name not in by_name]
    if missing:
        known = ", ".join(repr(timeline.name) for timeline in timelines)
        raise HostError(f"no timeline is called {missing[0]!r}; there are {known}")
    return [by_name[name] for name in names]


@contextmanager
def opened_timeline(studio: StudioBridge, timeline: ListedTimeline) -> Iterator[None]:
    """Have a timeline open for a while, and open the user's own again at the end."""
    before = next((entry for entry in studio.list_timelines() if entry.is_current), None)
    if timeline.is_current or (before is not None and before.id == timeline.id):
        yield
        return
    studio.open_timeline(timeline.id)
    try:
        yield
    finally:
        if before is not None:
            studio.open_timeline(before.id)


def _build_progress(text: str, *, fraction: float = 0.0) -> RequestProgress:
    return RequestProgress(message=text, fraction=fraction, seconds_left=None)
