"""Rendering one item of a watch folder into a staged folder of results: stems, timeline, report and page.

Stems of a bundle go into the bundle, which is made to be filled; its report and page are results like others.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import opentimelineio as otio

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import InstallationBrokenError, MediaNotFoundError, SelvaError
from selva_core.base.media import ImageSequence
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_otio import CueSheet, SpotOptions, spot_timeline
from selva_otio.errors import CueError, TimelineWriteError
from selva_otio.formats.registry import find_format
from selva_otio.formats.request_bundle.bundle_folder import SUFFIX
from selva_otio.picture.media import build_media_url
from selva_otio.picture.staged_media import staged_media
from selva_otio.time.clock import FALLBACK_FRAME_RATE_HZ
from selva_otio.timelines import open_timeline
from selva_render.bundles import build_render_options, fill_bundle, opened_for_filling
from selva_render.jobs import ClipJob
from selva_render.media import open_media_timeline
from selva_render.options import OutputOptions, check_options
from selva_render.render import render_sheet, split_unusable_clips, write_with_stems
from selva_render.report import RenderReport, iter_failure_lines
from selva_render.report_page import write_page_in_process
from selva_render.watch.file_names import RULES_NAME
from selva_render.watch.inbox import BUNDLE, IMAGES, TIMELINE, InboxItem
from selva_render.watch.prompts import ItemPrompts
from selva_render.watch.result_places import PAGE_NAME, REPORT_NAME, SCHEMA, StagedResults, shorten

STEMS_FOLDER = "stems"
PRIORITY = "batch"
_PAGE_TIMELINE = ".page.otio"


class MediaNotThereError(MediaNotFoundError):
    """Media of a cut is missing that may still arrive. The code is that of MediaNotFoundError."""


@dataclass(frozen=True, kw_only=True)
class RenderTask:
    """What is rendered. name: of the item in its watch folder. content: its key. moved_to: where its source will be put."""

    item: InboxItem
    name: str
    content: str
    prompts: ItemPrompts
    options: RenderOptions
    spot_options: SpotOptions
    moved_to: Path | None = None


@dataclass(kw_only=True)
class RenderedItem:
    """What came of it. failures: a line for each reason; with some of them, others may still have stems."""

    failures: tuple[str, ...] = ()
    codes: frozenset[str] = frozenset()
    num_stems: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return not self.failures


class ItemRenderer:
    """Renders one item at a time; interactive jobs of others go first.

    media_patience_s: for so long after a cut was written its missing media is waited for. makes_pages: whether results have a
    page.
    """

    def __init__(
        self,
        client: Client,
        *,
        on_submitted: Callable[[str], None] = lambda job_id: None,
        media_patience_s: float = 0.0,
        makes_pages: bool = True,
    ) -> None:
        self._client = client
        self._on_submitted = on_submitted
        self._media_patience_s = media_patience_s
        self._makes_pages = makes_pages

    def render(self, task: RenderTask, staged: StagedResults) -> RenderedItem:
        """Render an item into its staged folder; clips that fail are in what is returned.

        Raises NoPromptError where nothing says what to hear, MediaNotThereError, InstallationBrokenError when a library of the
        daemon's does not load, which is no fault of the item, and SelvaError when it cannot be rendered at all.
        """
        item = task.item
        if item.rivals:
            rivals = ", ".join(path.name for path in item.rivals)
            raise CueError(f"it is not clear what is meant: {item.path.name}, or {rivals}? Keep one of them")
        if item.kind == BUNDLE:
            report = self._fill(task)
            page_timeline = item.path.with_suffix(SUFFIX) if item.is_repacked else item.path
        else:
            render = self._render_timeline if item.kind == TIMELINE else self._render_video
            report = render(task, staged)
            page_timeline = staged.folder / _PAGE_TIMELINE
        if not report.stems:
            _raise_broken_installation(report)
        rendered = RenderedItem(
            failures=tuple(iter_failure_lines(report.failed, report.sheet.clock)),
            codes=frozenset(clip.code for clip in report.failed),
            num_stems=len(report.stems),
        )
        if self._makes_pages and report.stems:
            self._write_page(task, staged, page_timeline, rendered)
        (staged.folder / _PAGE_TIMELINE).unlink(missing_ok=True)
        write_report(task, staged, rendered, report)
        return rendered

    def _fill(self, task: RenderTask) -> RenderReport:
        with opened_for_filling(task.item.path) as bundle:
            options = build_render_options(bundle, model=task.options.model, priority=PRIORITY)
            output = OutputOptions(stems_folder=bundle.stems_folder)
            return fill_bundle(bundle, options, output, client=self._client, on_status=_ignore)

    def _render_timeline(self, task: RenderTask, staged: StagedResults) -> RenderReport:
        with open_timeline(task.item.path) as opened:
            sheet = spot_timeline(
                opened.timeline,
                base_folder=opened.base_folder,
                rows=task.prompts.rows,
                options=task.spot_options,
                media=opened.media,
            )
            self._require_media(sheet, task.item.path)
            output = _choose_output(task, staged)
            report = self._render_sheet(task, sheet, output, name=opened.timeline.name)
            _write_timelines(opened.timeline, report, task, staged, output, base_folder=opened.base_folder)
        return report

    def _render_video(self, task: RenderTask, staged: StagedResults) -> RenderReport:
        images, warnings = _choose_images(task)
        opened = open_media_timeline(task.item.path, images=images)
        sheet = spot_timeline(
            opened.timeline,
            base_folder=opened.path.parent,
            rows=task.prompts.rows,
            clock=opened.clock,
            options=task.spot_options,
        )
        sheet = replace(sheet, warnings=(*warnings, *opened.warnings, *sheet.warnings))
        output = OutputOptions(
            stems_folder=staged.folder / STEMS_FOLDER,
            timeline=staged.folder / f"{shorten(task.item.title)}.otio",
        )
        check_options(task.options, output)
        report = self._render_sheet(task, sheet, output, name=task.item.path.name)
        if task.moved_to is not None:
            for clip in opened.timeline.find_clips():
                clip.media_reference.target_url = build_media_url(task.moved_to)
        _write_timelines(opened.timeline, report, task, staged, output, base_folder=opened.path.parent)
        return report

    def _render_sheet(
        self, task: RenderTask, sheet: CueSheet, output: OutputOptions, *, name: str
    ) -> RenderReport:
        return render_sheet(
            sheet,
            replace(task.options, priority=PRIORITY),
            output,
            client=self._client,
            timeline_name=name,
            on_status=_ignore,
            on_submitted=self._on_submitted,
        )

    def _require_media(self, sheet: CueSheet, cut: Path) -> None:
        """Raises MediaNotThereError for a cut that was written a moment ago: its media is often copied after it."""
        _, failed = split_unusable_clips(sheet)
        missing = [clip.message for clip in failed if clip.code == MediaNotFoundError.code]
        if missing and time.time() - cut.stat().st_mtime < self._media_patience_s:
            raise MediaNotThereError(missing[0])

    def _write_page(
        self, task: RenderTask, staged: StagedResults, timeline: Path, rendered: RenderedItem
    ) -> None:
        """A page that cannot be made is a warning: the stems are there."""
        moves = [(staged.target, staged.folder)]
        if task.moved_to is not None:
            moves.append((task.moved_to, task.item.path))
        notes = [f"{task.name}: {rendered.num_stems} stems", *rendered.failures]
        try:
            write_page_in_process(timeline, staged.folder / PAGE_NAME, notes=notes, moves=moves)
        except SelvaError as error:
            rendered.warnings.append(error.message)


def _choose_images(task: RenderTask) -> tuple[ImageSequence | None, tuple[str, ...]]:
    """How an image sequence is played; images state no rate, and one that nobody has said is a warning."""
    if task.item.kind != IMAGES:
        return None, ()
    rate_hz = task.prompts.frame_rate
    if rate_hz is not None:
        return ImageSequence(rate_hz=rate_hz), ()
    warning = (
        f"nothing says the frame rate of {task.item.path.name}: it is played with {FALLBACK_FRAME_RATE_HZ} images a second; "
        f'write frame_rate = "24000/1001" into {RULES_NAME}'
    )
    return ImageSequence(rate_hz=FALLBACK_FRAME_RATE_HZ), (warning,)


def write_report(
    task: RenderTask, staged: StagedResults, rendered: RenderedItem, report: RenderReport
) -> None:
    """The JSON of the results; paths in it are those that the files will have. Raises OutputError."""
    values = {
        "schema": SCHEMA,
        "source": task.name,
        "content": task.content,
        "state": "done" if rendered.is_done else "failed",
        "prompts": task.prompts.origin,
        "failures": list(rendered.failures),
        "warnings": list(rendered.warnings),
        "result": report.to_json(),
    }
    write_atomic(staged.folder / REPORT_NAME, (json.dumps(values, indent=1) + "\n").encode())


def _write_timelines(
    timeline: otio.schema.Timeline,
    report: RenderReport,
    task: RenderTask,
    staged: StagedResults,
    output: OutputOptions,
    *,
    base_folder: Path,
) -> None:
    """The timeline with its stems, and one that the page is made of, both with the paths that the stems will have."""
    if not report.stems or output.timeline is None:
        report.stems_folder = staged.last_path(report.stems_folder)
        return
    report.stems = [replace(stem, result=_at_last_path(stem.result, staged)) for stem in report.stems]
    report.stems_folder = staged.last_path(report.stems_folder)
    with staged_media((staged.target, staged.folder)):
        for target in (staged.folder / _PAGE_TIMELINE, output.timeline):
            write_with_stems(
                timeline, report, task.options, replace(output, timeline=target), base_folder=base_folder
            )
    report.timeline = None if report.timeline is None else staged.last_path(report.timeline)
    report.parts = [staged.last_path(part) for part in report.parts]
    report.sidecar = None if report.sidecar is None else staged.last_path(report.sidecar)


def _at_last_path(result: StemResult, staged: StagedResults) -> StemResult:
    """A stem's result with the paths that its files will have."""
    evidence = result.evidence
    values = {name: getattr(result, name) for name in result.__struct_fields__}
    values["file"] = str(staged.last_path(Path(result.file)))
    values["evidence"] = None if evidence is None else str(staged.last_path(Path(evidence)))
    return StemResult(**values)


def _choose_output(task: RenderTask, staged: StagedResults) -> OutputOptions:
    """The timeline has the format of its source where that can be written elsewhere, else .otio."""
    row = find_format(task.item.path)
    stem = shorten(task.item.title)
    suffixes = [row.suffix] if row.write is not None and not row.is_folder else []
    suffixes += [".otioz"] if row.holds_media else [".otio"]
    for suffix in suffixes:
        output = OutputOptions(
            stems_folder=staged.folder / STEMS_FOLDER, timeline=staged.folder / f"{stem}{suffix}"
        )
        try:
            check_options(task.options, output, source=task.item.path)
        except TimelineWriteError:
            if suffix == suffixes[-1]:
                raise
        else:
            break
    return output


def _raise_broken_installation(report: RenderReport) -> None:
    """Raises InstallationBrokenError when clips failed because a library of the daemon's does not load."""
    for clip in report.failed:
        if clip.code == InstallationBrokenError.code:
            raise InstallationBrokenError(clip.message)


def _ignore(job: ClipJob, status: JobStatus) -> None:
    """Single jobs are not shown here; `selva jobs watch` shows them."""
