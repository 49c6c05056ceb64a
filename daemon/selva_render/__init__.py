"""From a timeline to a rendered timeline: the application between `selva_otio` and the daemon's client.

    with Client.connect(start_if_needed=True) as client, open_timeline(Path("cut.otio")) as opened:
        sheet = spot_timeline(opened.timeline, tracks, base_folder=opened.base_folder)
        output = OutputOptions(stems_folder=Path("stems"), timeline=Path("out.otio"))
        report = render_timeline(
            opened.timeline, sheet, RenderOptions(), output, client=client, on_status=print
        )

Names are imported when they are used: the processes that read media (`media_process`) need neither OpenTimelineIO nor ZeroMQ.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selva_core.base.render_options import RenderOptions, SamplingOptions
    from selva_render.bundles import fill_bundle, opened_for_filling
    from selva_render.jobs import ClipJob, build_jobs
    from selva_render.media import spot_media
    from selva_render.options import OutputOptions, check_options, choose_model
    from selva_render.redo import Redo, build_redo_job, find_media, redo_stem
    from selva_render.render import render_sheet, render_timeline
    from selva_render.report import FailedClip, RenderedStem, RenderReport
    from selva_render.spot_report import SpotReport
    from selva_render.watch.folder import WatchFolder

__all__ = [
    "ClipJob",
    "FailedClip",
    "OutputOptions",
    "Redo",
    "RenderOptions",
    "RenderReport",
    "RenderedStem",
    "SamplingOptions",
    "SpotReport",
    "WatchFolder",
    "build_jobs",
    "build_redo_job",
    "check_options",
    "choose_model",
    "fill_bundle",
    "find_media",
    "opened_for_filling",
    "redo_stem",
    "render_sheet",
    "render_timeline",
    "spot_media",
]

_MODULES = {
    "ClipJob": "selva_render.jobs",
    "FailedClip": "selva_render.report",
    "OutputOptions": "selva_render.options",
    "RenderOptions": "selva_core.base.render_options",
    "RenderReport": "selva_render.report",
    "RenderedStem": "selva_render.report",
    "SamplingOptions": "selva_core.base.render_options",
    "SpotReport": "selva_render.spot_report",
    "WatchFolder": "selva_render.watch.folder",
    "build_jobs": "selva_render.jobs",
    "check_options": "selva_render.options",
    "choose_model": "selva_render.options",
    "fill_bundle": "selva_render.bundles",
    "opened_for_filling": "selva_render.bundles",
    "render_sheet": "selva_render.render",
    "render_timeline": "selva_render.render",
    "Redo": "selva_render.redo",
    "build_redo_job": "selva_render.redo",
    "find_media": "selva_render.redo",
    "redo_stem": "selva_render.redo",
    "spot_media": "selva_render.media",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
