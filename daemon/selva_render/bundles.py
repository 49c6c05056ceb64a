"""Filling request bundles: their jobs go to the daemon, their stems land in them.

For `selva render cut.selva`, the watch folder, and the OpenTimelineIO adapter, which loads this only when it is asked to
send.
"""

from __future__ import annotations

import os
import secrets
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from selva_core.base.errors import SelvaError
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.status import JobStatus
from selva_otio import CueSheet, TimelineClock, write_timeline
from selva_otio.errors import BundleUnfilledError, TimelineReadError, TimelineWriteError
from selva_otio.formats.options import ProbeMedia
from selva_otio.formats.request_bundle.bundle_folder import SUFFIX, TIMELINE_NAME, Bundle, open_bundle
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX, pack_zip, unpack_zip
from selva_otio.formats.request_bundle.found_stems import place_found_stems
from selva_otio.formats.request_bundle.pictures import picture_path
from selva_render.jobs import ClipJob, build_jobs, build_media_range
from selva_render.options import OutputOptions, choose_model
from selva_render.proxies import Proxy, write_proxies
from selva_render.render import StatusListener, render_sheet, split_missing_media
from selva_render.report import FailedClip, RenderReport, iter_failure_lines

ProgressListener = Callable[[float, str], None]


def build_render_options(
    bundle: Bundle, *, model: str | None = None, priority: str = "interactive"
) -> RenderOptions:
    """How the stems of a bundle are made. model: where the bundle names none. Raises UnknownModelError."""
    wanted = bundle.options.render
    return replace(wanted, model=choose_model(wanted.model or model), priority=priority)


def fill_bundle(
    bundle: Bundle,
    options: RenderOptions,
    output: OutputOptions,
    *,
    client: Client,
    on_status: StatusListener,
    probe: ProbeMedia | None = None,
) -> RenderReport:
    """Have all stems of a bundle made, into it; also write the cut with them to `output.timeline` (see render_timeline).

    Raises as `render_sheet` does, and TimelineWriteError.
    """
    sheet = bundle.spot()
    report = render_sheet(
        sheet, options, output, client=client, timeline_name=bundle.timeline.name, on_status=on_status
    )
    bundle.stems_folder.mkdir(exist_ok=True)
    if output.timeline is not None and report.stems:
        placed = place_found_stems(bundle.timeline, sheet, bundle.options.render, bundle.stems_folder)
        written = write_timeline(
            placed.timeline,
            output.timeline,
            base_folder=bundle.base_folder,
            profile=output.profile,
            probe=probe,
        )
        report.note_written(placed, written)
    return report


def submit(bundle: Bundle) -> list[str]:
    """Hand a bundle's jobs to the daemon that runs; returns their ids, one or more per clip.

    Clips that cannot be rendered are named in a warning. Raises BundleUnfilledError when none can, DaemonError.
    """
    options, output = build_render_options(bundle), OutputOptions(stems_folder=bundle.stems_folder)
    sheet = bundle.spot()
    present, failed = split_missing_media(sheet)
    failed += [FailedClip.of_skipped(item) for item in sheet.skipped if item.is_fault]
    job_ids: list[str] = []
    with Client.connect() as client:
        try:
            for job in build_jobs(present, options, output, timeline_name=bundle.timeline.name):
                try:
                    job_ids.append(client.submit(job.request).job_id)
                except InvalidRequestError as error:
                    failed.append(FailedClip.of(job.clip, error))
        except BaseException:
            with suppress(SelvaError):
                client.cancel(*job_ids)
            raise
    if not job_ids:
        raise _unfilled(failed, sheet.clock, num_stems=0)
    if failed:
        warnings.warn(_explain(failed, sheet.clock), stacklevel=2)
    return job_ids


def fill_and_wait(bundle: Bundle, on_progress: ProgressListener | None) -> list[str]:
    """Fill a bundle by the daemon that runs; returns the ids of its jobs when its stems lie in it.

    Raises BundleUnfilledError when some could not be made, DaemonError.
    """
    progress = _Progress(bundle.spot(), bundle.options.render.num_takes, on_progress)
    options, output = build_render_options(bundle), OutputOptions(stems_folder=bundle.stems_folder)
    with Client.connect() as client:
        report = fill_bundle(bundle, options, output, client=client, on_status=progress)
    if report.failed:
        raise _unfilled(report.failed, report.sheet.clock, num_stems=len(report.stems))
    return list(progress.job_ids)


def add_proxies(bundle: Bundle) -> None:
    """Put what models look at into the bundle, clip by clip, so that it needs no media. Raises MediaError, OutputError."""
    copies = [
        Proxy(media=build_media_range(clip), target=target)
        for clip in bundle.spot().clips
        if not (target := picture_path(clip, bundle.folder)).is_file()
    ]
    write_proxies(copies)


@contextmanager
def opened_for_filling(path: Path) -> Iterator[Bundle]:
    """A bundle to fill. A .selvaz is unpacked beside itself, as a .selva that stays, and packed again at the end.

    Raises TimelineReadError; TimelineWriteError when another bundle lies where it would be unpacked.
    """
    if path.suffix.lower() != ZIP_SUFFIX:
        yield open_bundle(path)
        return
    folder = path.with_suffix(SUFFIX)
    if not os.path.lexists(folder):
        _unpack_beside(path, folder)
    elif not _is_same_request(path, folder):
        raise TimelineWriteError(
            f"{folder} is there already and asks for something else than {path.name}; move one of them away"
        )
    yield open_bundle(folder)
    pack_zip(folder, path)


def _unpack_beside(path: Path, folder: Path) -> None:
    scratch = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        scratch.mkdir()
        unpack_zip(path, scratch)
        scratch.rename(folder)
    except OSError as error:
        raise TimelineWriteError(f"cannot unpack {path} beside itself: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_same_request(path: Path, folder: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(TIMELINE_NAME) == (folder / TIMELINE_NAME).read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TimelineReadError(f"{path} or {folder} is not a sound bundle: {error}") from error


class _Progress:
    """Sums up all jobs of a bundle for one callback."""

    def __init__(self, sheet: CueSheet, num_takes: int, on_progress: ProgressListener | None) -> None:
        self._num_stems = sum(cue.num_takes or num_takes for cue in sheet.cues)
        self._on_progress = on_progress
        self._done: dict[str, float] = {}

    @property
    def job_ids(self) -> list[str]:
        return list(self._done)

    def __call__(self, job: ClipJob, status: JobStatus) -> None:
        self._done[status.job_id] = status.num_stems * (1.0 if status.is_finished else status.fraction)
        if self._on_progress is not None:
            fraction = sum(self._done.values()) / max(self._num_stems, 1)
            self._on_progress(min(fraction, 1.0), f"{job.clip.name}: {status.stage or status.state}")


def _unfilled(failed: list[FailedClip], clock: TimelineClock, *, num_stems: int) -> BundleUnfilledError:
    clips = [clip.name for clip in failed[:100]]
    return BundleUnfilledError(_explain(failed, clock), num_stems=num_stems, clips=clips)


def _explain(failed: list[FailedClip], clock: TimelineClock) -> str:
    return "; ".join(iter_failure_lines(failed, clock))
