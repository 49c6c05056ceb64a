"""Rendering what a watch folder found: bundles into themselves, timelines and videos into the folder of results."""

from __future__ import annotations

from dataclasses import replace

from selva_core.base.errors import InstallationBrokenError
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus
from selva_otio import SpotOptions, load_cue_sheet, spot_timeline
from selva_otio.errors import CueError
from selva_otio.formats.registry import find_format
from selva_otio.timelines import open_timeline
from selva_render.bundles import build_render_options, fill_bundle, opened_for_filling
from selva_render.jobs import ClipJob
from selva_render.media import spot_media
from selva_render.options import OutputOptions, check_options
from selva_render.render import render_sheet, render_timeline
from selva_render.report import RenderReport, iter_failure_lines
from selva_render.watch.inbox import BUNDLE, TIMELINE, Fingerprint, InboxItem
from selva_render.watch.records import Outcome, WatchRecords, file_state

STEMS_FOLDER = "stems"
PRIORITY = "batch"


class ItemRenderer:
    """Renders one item at a time; interactive jobs of others go first."""

    def __init__(
        self, options: RenderOptions, spot_options: SpotOptions, records: WatchRecords, client: Client
    ) -> None:
        """options, spot_options: as WatchFolder takes them."""
        self._options = replace(options, priority=PRIORITY)
        self._spot_options = spot_options
        self._records = records
        self._client = client

    def render(self, item: InboxItem, fingerprint: Fingerprint) -> Outcome:
        """Render an item; clips that fail are in the outcome.

        Raises InstallationBrokenError when a library of the daemon's does not load, which is no fault of the item, and
        SelvaError when it cannot be rendered at all.
        """
        if item.rivals:
            rivals = ", ".join(path.name for path in item.rivals)
            raise CueError(f"it is not clear what is meant: {item.path.name}, or {rivals}? Keep one of them")
        if item.kind == BUNDLE:
            report = self._fill(item)
        elif item.kind == TIMELINE:
            report = self._render_timeline(item)
        else:
            report = self._render_video(item)
        output = report.timeline
        if (
            output is None
        ):  # else stems came out of the cache, and a timeline with them is there to be recorded
            _raise_broken_installation(report)
        return Outcome(
            fingerprint=item.take_fingerprint() if item.is_repacked else fingerprint,
            failures=tuple(iter_failure_lines(report.failed, report.sheet.clock)),
            output=None if output is None else output.name,
            output_fingerprint=None if output is None else file_state(output),
            details={"result": report.to_json()},
        )

    def _fill(self, item: InboxItem) -> RenderReport:
        with opened_for_filling(item.path) as bundle:
            options = build_render_options(bundle, model=self._options.model, priority=PRIORITY)
            output = OutputOptions(stems_folder=bundle.stems_folder)
            return fill_bundle(bundle, options, output, client=self._client, on_status=_ignore)

    def _render_timeline(self, item: InboxItem) -> RenderReport:
        row = find_format(item.path)
        suffix = row.suffix if row.write is not None and not row.is_folder else ".otio"
        folder = self._records.folder_of(item)
        folder.mkdir(parents=True, exist_ok=True)
        output = OutputOptions(
            stems_folder=folder.absolute() / STEMS_FOLDER,
            timeline=self._records.choose_output(item, suffix),
        )
        with open_timeline(item.path) as opened:
            check_options(self._options, output, source=item.path)
            sheet = spot_timeline(
                opened.timeline,
                base_folder=opened.base_folder,
                rows=load_cue_sheet(item.cues) if item.cues is not None else (),
                options=self._spot_options,
            )
            return render_timeline(
                opened.timeline,
                sheet,
                self._options,
                output,
                client=self._client,
                on_status=_ignore,
                base_folder=opened.base_folder,
            )

    def _render_video(self, item: InboxItem) -> RenderReport:
        sheet = spot_media(item.path, rows=load_cue_sheet(item.cues) if item.cues is not None else ())
        output = OutputOptions(stems_folder=self._records.folder_of(item).absolute() / STEMS_FOLDER)
        check_options(self._options, output)
        return render_sheet(
            sheet,
            self._options,
            output,
            client=self._client,
            timeline_name=item.path.name,
            on_status=_ignore,
        )


def _raise_broken_installation(report: RenderReport) -> None:
    """Raises InstallationBrokenError when clips failed because a library of the daemon's does not load."""
    for clip in report.failed:
        if clip.code == InstallationBrokenError.code:
            raise InstallationBrokenError(clip.message)


def _ignore(job: ClipJob, status: JobStatus) -> None:
    """Single jobs are not shown here; `selva jobs watch` shows them."""
