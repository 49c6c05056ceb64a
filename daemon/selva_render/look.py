"""What a model sees of each cue, before anything is rendered: the video encoder alone, one pass a clip."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.status import StemResult
from selva_otio import CueSheet
from selva_render.jobs import build_jobs, cancelled_on_error, run_jobs
from selva_render.options import OutputOptions
from selva_render.render import StatusListener, split_unusable_clips
from selva_render.report import FailedClip


@dataclass(frozen=True, kw_only=True)
class LookReport:
    """by_cue: of each cue that was looked at, its presence and its warnings. failed: the clips that could not be looked at."""

    by_cue: Mapping[str, StemResult]
    failed: tuple[FailedClip, ...]


def look_at_sheet(
    sheet: CueSheet, options: RenderOptions, *, client: Client, on_status: StatusListener
) -> LookReport:
    """Have the daemon look at the clips of a cue sheet; nothing is written. Raises as `render_sheet` does."""
    renderable, failed = split_unusable_clips(sheet)
    renderable = replace(renderable, cues=tuple(replace(cue, num_takes=1) for cue in renderable.cues))
    nowhere = OutputOptions(stems_folder=Path(tempfile.gettempdir()))
    jobs = build_jobs(renderable, replace(options, num_takes=1), nowhere, timeline_name="", looks=True)
    by_cue: dict[str, StemResult] = {}
    with cancelled_on_error(client) as submitted:
        for job, status in run_jobs(client, jobs, submitted, failed):
            on_status(job, status)
            if status.is_finished:
                by_cue.update({result.cue: result for result in status.stems})
                if status.error is not None:
                    failed.append(FailedClip.of(job.clip, status.error))
    return LookReport(by_cue=by_cue, failed=tuple(failed))
