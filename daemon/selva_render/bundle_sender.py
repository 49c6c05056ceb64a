"""What the OpenTimelineIO adapter of request bundles needs of the daemon (`selva_otio.formats.request_bundle.sender`).

The adapter finds this module by its entry point, and only when it is asked to send.
"""

from __future__ import annotations

import warnings

from selva_daemon.client.client import Client
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet, TimelineClock
from selva_otio.errors import BundleUnfilledError
from selva_otio.formats.request_bundle.bundle_folder import RequestBundle
from selva_otio.formats.request_bundle.proxies import find_proxy_path
from selva_otio.formats.request_bundle.sender import ProgressListener
from selva_render.bundles import build_render_options, fill_bundle
from selva_render.jobs import ClipJob, build_jobs, build_picture_range, cancelled_on_error, submit_jobs
from selva_render.media_process import Proxy, write_proxies
from selva_render.options import OutputOptions
from selva_render.render import split_unusable_clips
from selva_render.report import FailedClip, iter_failure_lines

__all__ = ["add_proxies", "fill_and_wait", "submit"]


def submit(bundle: RequestBundle) -> list[str]:
    """Submit a bundle's jobs to the daemon that runs; returns their ids, one or more per clip.

    Clips that cannot be rendered are named in a warning. Raises BundleUnfilledError when none can, DaemonError.
    """
    sheet = bundle.spot()
    renderable, failed = split_unusable_clips(sheet)
    jobs = build_jobs(
        renderable,
        build_render_options(bundle),
        OutputOptions(stems_folder=bundle.stems_folder),
        timeline_name=bundle.timeline.name,
    )
    with Client.connect() as client, cancelled_on_error(client) as submitted:
        failed += submit_jobs(client, jobs, submitted)
    if not submitted:
        raise _unfilled(failed, sheet.clock, num_stems=0)
    if failed:
        warnings.warn(_explain(failed, sheet.clock), stacklevel=2)
    return list(submitted)


def fill_and_wait(bundle: RequestBundle, on_progress: ProgressListener | None) -> list[str]:
    """Fill a bundle by the daemon that runs; returns the ids of its jobs when its stems lie in it.

    Raises BundleUnfilledError when some could not be made, DaemonError.
    """
    progress = _BundleProgress(bundle.spot(), bundle.options.render.num_takes, on_progress)
    output = OutputOptions(stems_folder=bundle.stems_folder)
    with Client.connect() as client:
        report = fill_bundle(bundle, build_render_options(bundle), output, client=client, on_status=progress)
    if report.failed:
        raise _unfilled(report.failed, report.sheet.clock, num_stems=len(report.stems))
    return progress.job_ids


def add_proxies(bundle: RequestBundle) -> None:
    """Put a proxy of every clip into the bundle, so that it needs no media. Raises MediaError, OutputError."""
    write_proxies(
        [
            Proxy(picture=build_picture_range(clip), target=target)
            for clip in bundle.spot().clips
            if not (target := find_proxy_path(clip, bundle.folder)).is_file()
        ]
    )


class _BundleProgress:
    """Sums up all jobs of a bundle for one callback."""

    def __init__(self, sheet: CueSheet, num_takes: int, on_progress: ProgressListener | None) -> None:
        self._num_stems = sum(cue.num_takes or num_takes for cue in sheet.cues)
        self._on_progress = on_progress
        self._stems_done: dict[str, float] = {}

    @property
    def job_ids(self) -> list[str]:
        return list(self._stems_done)

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        fraction = 1.0 if status.is_finished else status.fraction
        self._stems_done[status.job_id] = status.num_stems * fraction
        if self._on_progress is not None:
            whole = sum(self._stems_done.values()) / max(self._num_stems, 1)
            self._on_progress(min(whole, 1.0), f"{job.clip.name}: {status.stage or status.state}")


def _unfilled(failed: list[FailedClip], clock: TimelineClock, *, num_stems: int) -> BundleUnfilledError:
    clips = [clip.name for clip in failed[:100]]
    return BundleUnfilledError(_explain(failed, clock), num_stems=num_stems, clips=clips)


def _explain(failed: list[FailedClip], clock: TimelineClock) -> str:
    return "; ".join(iter_failure_lines(failed, clock))
