"""Rendering what a watch folder found: bundles into themselves, timelines and videos into the folder of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selva_core.engine import SamplingSettings
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus
from selva_otio import SpotOptions, load_cue_sheet, spot_timeline
from selva_otio.errors import CueError
from selva_otio.formats.registry import find_format
from selva_otio.timelines import check_timeline_target, open_timeline
from selva_render.bundles import build_settings, fill_bundle, opened_for_filling
from selva_render.jobs import ClipJob, RenderSettings
from selva_render.media import spot_media
from selva_render.render import check_stems_folder, choose_model, render_sheet, render_timeline
from selva_render.report import RenderReport, iter_failure_lines
from selva_render.watch.inbox import BUNDLE, TIMELINE, Fingerprint, InboxItem
from selva_render.watch.records import Outcome, WatchRecords, look_at

STEMS_FOLDER = "stems"
PRIORITY = "batch"


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """How stems of timelines and videos are made; bundles say it themselves, but for a model they do not name."""

    model: str | None = None
    num_takes: int = 1
    seed: int = 42
    sample_rate_hz: int = 48_000
    sampling: SamplingSettings
    spot_options: SpotOptions

    def for_folder(self, stems_folder: Path) -> RenderSettings:
        """Raises RequestError, UnknownModelError, TimelineWriteError."""
        check_stems_folder(stems_folder)
        return RenderSettings(
            model=choose_model(self.model),
            stems_folder=stems_folder.absolute(),
            num_takes=self.num_takes,
            seed=self.seed,
            sample_rate_hz=self.sample_rate_hz,
            sampling=self.sampling,
            priority=PRIORITY,
        )


class WatchRendering:
    """Renders one item at a time; interactive jobs of others go first."""

    def __init__(self, settings: WatchSettings, records: WatchRecords, client: Client) -> None:
        self._settings = settings
        self._records = records
        self._client = client

    def render(self, item: InboxItem, fingerprint: Fingerprint) -> Outcome:
        """What came of it. Raises TimelineError and SelvaError when it cannot be rendered at all."""
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
        return Outcome(
            fingerprint=item.take_fingerprint() if item.is_repacked else fingerprint,
            failures=tuple(iter_failure_lines(report.failed, report.sheet.clock)),
            output=None if output is None else output.name,
            output_fingerprint=None if output is None else look_at(output),
            details={"result": report.to_json()},
        )

    def _fill(self, item: InboxItem) -> RenderReport:
        with opened_for_filling(item.path) as bundle:
            model = None if bundle.options.model else self._settings.model
            settings = build_settings(bundle, model=model, priority=PRIORITY)
            return fill_bundle(bundle, settings, client=self._client, on_status=_ignore)

    def _render_timeline(self, item: InboxItem) -> RenderReport:
        row = find_format(item.path)
        suffix = row.suffix if row.write is not None and not row.is_folder else ".otio"
        folder = self._records.folder_of(item)
        folder.mkdir(parents=True, exist_ok=True)
        output = self._records.choose_output(item, suffix)
        with open_timeline(item.path) as opened:
            check_timeline_target(output, item.path)
            sheet = spot_timeline(
                opened.timeline,
                base_folder=opened.base_folder,
                rows=load_cue_sheet(item.cues) if item.cues is not None else (),
                options=self._settings.spot_options,
            )
            return render_timeline(
                opened.timeline,
                sheet,
                self._settings.for_folder(folder / STEMS_FOLDER),
                output,
                client=self._client,
                on_status=_ignore,
                base_folder=opened.base_folder,
            )

    def _render_video(self, item: InboxItem) -> RenderReport:
        sheet = spot_media(item.path, rows=load_cue_sheet(item.cues) if item.cues is not None else ())
        settings = self._settings.for_folder(self._records.folder_of(item) / STEMS_FOLDER)
        return render_sheet(
            sheet, settings, client=self._client, timeline_name=item.path.name, on_status=_ignore
        )


def _ignore(job: ClipJob, status: JobStatus) -> None:
    """Nobody looks at single jobs here; `selva jobs watch` shows them."""
