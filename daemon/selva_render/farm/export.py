"""Writing a farm's job: the folder that is submitted, whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

from selva_core.base.atomic_write import staged_folder
from selva_core.base.render_options import RenderOptions
from selva_otio import CueSheet, SpotOptions
from selva_otio.errors import TimelineWriteError
from selva_otio.timelines import OpenTimeline
from selva_render.farm.job_folder import export_bundle
from selva_render.farm.opencue import OUTLINE_NAME, build_outline
from selva_render.farm.openjd import (
    ASSETS_NAME,
    TEMPLATE_NAME,
    VALUES_NAME,
    build_asset_references,
    build_parameter_values,
    build_template,
    to_json_bytes,
)
from selva_render.farm.plan import FarmPlan


def export_farm_job(
    opened: OpenTimeline,
    sheet: CueSheet,
    target: Path,
    *,
    plan: FarmPlan,
    options: RenderOptions,
    spot: SpotOptions,
    cues: Path | None = None,
    has_proxies: bool = False,
) -> None:
    """Write the job of a cut to the folder `target`, which must not exist.

    cues: the cue sheet file that goes with it, under the name that the plan says. has_proxies: small movies of the clips go
    with it, so that the media need not travel. Raises TimelineWriteError, RequestError, MediaError.
    """
    template, values = build_template(plan), build_parameter_values(plan)
    folder = target.absolute()
    images = [clip for clip in sheet.clips if clip.images is not None]
    files = [] if has_proxies else [clip.media_path for clip in sheet.clips if clip.images is None]
    folders = [] if has_proxies else [clip.media_path.parent for clip in images]
    with staged_folder(folder, error=TimelineWriteError) as staged:
        export_bundle(opened, sheet, staged, options=options, spot=spot, has_proxies=has_proxies)
        if cues is not None and plan.cues is not None:
            shutil.copyfile(cues, staged / plan.cues)
        for name, document in (
            (TEMPLATE_NAME, template),
            (VALUES_NAME, values),
            (ASSETS_NAME, build_asset_references(folder, files, folders)),
        ):
            (staged / name).write_bytes(to_json_bytes(document))
        (staged / OUTLINE_NAME).write_text(build_outline(plan, folder), encoding="ascii", newline="\n")
