"""Filling request bundles: the daemon makes their stems, which lie in the bundle itself.

For `selva render cut.selva` and the watch folder; `bundle_sender` is what the OpenTimelineIO adapter uses.
"""

from __future__ import annotations

import os
import secrets
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from selva_core.base.atomic_write import explain_os_error
from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_daemon.client.client import Client
from selva_otio import write_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.request_bundle.bundle_folder import (
    SUFFIX,
    TIMELINE_NAME,
    RequestBundle,
    load_bundle_folder,
)
from selva_otio.formats.request_bundle.bundle_zip import ZIP_SUFFIX, pack_zip, unpack_zip
from selva_otio.formats.request_bundle.found_stems import place_found_stems
from selva_otio.picture.media_probe import ProbeMedia
from selva_render.options import OutputOptions, choose_model
from selva_render.render import StatusListener, render_sheet
from selva_render.report import RenderReport
from selva_render.written_timelines import note_written_files


def build_render_options(
    bundle: RequestBundle, *, model: str | None = None, priority: str = "interactive"
) -> RenderOptions:
    """How the stems of a bundle are made. model: where the bundle names none. Raises UnknownModelError."""
    wanted = bundle.options.render
    return replace(wanted, model=choose_model(wanted.model or model), priority=priority)


def fill_bundle(
    bundle: RequestBundle,
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
        placement = place_found_stems(bundle.timeline, sheet, bundle.options.render, bundle.stems_folder)
        written = write_timeline(
            placement.timeline,
            output.timeline,
            base_folder=bundle.base_folder,
            profile=output.profile,
            probe=probe,
        )
        report.add_timeline(placement, written)
        note_written_files(written.files, AppPaths.find())
    return report


@contextmanager
def opened_for_filling(path: Path) -> Iterator[RequestBundle]:
    """A bundle to fill. A .selvaz is unpacked beside itself, as a .selva that stays, and packed again at the end.

    Raises TimelineReadError; TimelineWriteError when another bundle lies where it would be unpacked.
    """
    if path.suffix.lower() != ZIP_SUFFIX:
        yield load_bundle_folder(path)
        return
    folder = path.with_suffix(SUFFIX)
    if not os.path.lexists(folder):
        _unpack_beside(path, folder)
    elif not _is_same_request(path, folder):
        raise TimelineWriteError(
            f"{folder} exists already and asks for something else than {path.name}; move one of them away"
        )
    yield load_bundle_folder(folder)
    pack_zip(folder, path)


def _unpack_beside(path: Path, folder: Path) -> None:
    """Unpack under another name and rename, so that a crash leaves no half of a bundle under its own name."""
    scratch = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        scratch.mkdir()
        unpack_zip(path, scratch)
        scratch.rename(folder)
    except OSError as error:
        raise TimelineWriteError(f"cannot unpack {path} beside itself: {explain_os_error(error)}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_same_request(path: Path, folder: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(TIMELINE_NAME) == (folder / TIMELINE_NAME).read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TimelineReadError(f"{path} or {folder} is not a bundle that can be read: {error}") from error
