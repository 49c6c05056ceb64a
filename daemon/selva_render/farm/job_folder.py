"""The folder of a farm's job, and its request.

    JOB/
        template.json           the job for OpenJD schedulers, with parameter_values.json and asset_references.json
        selva.outline           the same job for OpenCue
        cut.selva/              a request bundle: the cut with its options, proxies if wanted, and the stems as they are made
        cues.toml or .csv       the cue sheet that was exported with the cut

Tasks on any machine write into `cut.selva/stems`; no other state has to agree with the stems, so that a task that is tried
again, or that runs twice, does no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import opentimelineio as otio

from selva_core.base.render_options import RenderOptions
from selva_otio import CueSheet, CueSheetRow, SpotOptions, StemTrack, spot_timeline
from selva_otio.errors import TimelineReadError, TimelineWriteError
from selva_otio.formats.registry import find_format
from selva_otio.formats.request_bundle.bundle_folder import (
    RequestBundle,
    load_bundle_folder,
    write_bundle_folder,
)
from selva_otio.formats.request_bundle.options import BundleOptions
from selva_otio.formats.request_bundle.proxies import find_proxy_path, use_proxies
from selva_otio.picture.media import (
    build_media_url,
    is_relative_url,
    make_folder_absolute,
    resolve_media_path,
)
from selva_otio.timelines import OpenTimeline
from selva_render.farm.path_mapping import PathRule, apply_path_rules
from selva_render.jobs import build_picture_range
from selva_render.media_process import Proxy, write_proxies

BUNDLE_NAME = "cut.selva"


@dataclass(frozen=True, kw_only=True)
class FarmRequest:
    """What the tasks of one farm job agree on, besides its folder.

    tracks, rows: what is heard, as in a render. model, num_takes, seed, quality: in place of what was exported; None for that.
    """

    tracks: Sequence[StemTrack] = ()
    rows: Sequence[CueSheetRow] = ()
    model: str | None = None
    num_takes: int | None = None
    seed: int | None = None
    quality: str | None = None

    def apply_to(self, exported: RenderOptions) -> RenderOptions:
        """The exported options with what is named here. Raises RequestError for values that are not allowed."""
        sampling = exported.sampling
        return replace(
            exported,
            model=self.model or exported.model,
            num_takes=exported.num_takes if self.num_takes is None else self.num_takes,
            seed=exported.seed if self.seed is None else self.seed,
            sampling=replace(sampling, quality=self.quality or sampling.quality),
            priority="batch",
        )


@dataclass(frozen=True, kw_only=True)
class FarmJob:
    """A job's folder that is open on a worker, with its cue sheet. timeline: the exported cut, whose media URLs are those of
    the submitter."""

    folder: Path
    timeline: otio.schema.Timeline
    sheet: CueSheet
    options: RenderOptions
    bundle: RequestBundle

    @property
    def stems_folder(self) -> Path:
        return self.bundle.stems_folder


def open_farm_job(folder: Path, request: FarmRequest, *, rules: Sequence[PathRule] = ()) -> FarmJob:
    """Open a job that was exported. rules: where its media is on this machine. Raises TimelineReadError, TimelineError."""
    path = folder.absolute() / BUNDLE_NAME
    if not path.is_dir():
        raise TimelineReadError(
            f"{folder} is no job of a farm: it holds no {BUNDLE_NAME}; export one with: selva farm export CUT -o {folder}"
        )
    bundle = load_bundle_folder(path)
    timeline = bundle.timeline.clone()
    apply_path_rules(bundle.timeline, rules)
    sheet = spot_timeline(
        bundle.timeline,
        request.tracks,
        base_folder=bundle.base_folder,
        rows=request.rows,
        options=bundle.options.spot,
    )
    return FarmJob(
        folder=folder.absolute(),
        timeline=timeline,
        sheet=use_proxies(sheet, bundle.folder),
        options=request.apply_to(bundle.options.render),
        bundle=bundle,
    )


def export_bundle(
    opened: OpenTimeline,
    sheet: CueSheet,
    target: Path,
    *,
    options: RenderOptions,
    spot: SpotOptions,
    has_proxies: bool,
) -> None:
    """Write the request bundle of a job into its folder, which is there. has_proxies: the media need not travel then.

    Raises TimelineWriteError, MediaError.
    """
    timeline = opened.timeline.clone()
    if find_format(opened.path).suffix == ".otioz" and not has_proxies:
        raise TimelineWriteError(
            f"the media of {opened.path.name} is inside it, and workers do not unpack it; add --media small"
        )
    opened.media.point_to_files(timeline)
    _make_urls_absolute(timeline, opened.base_folder)
    bundle = write_bundle_folder(timeline, target / BUNDLE_NAME, BundleOptions(render=options, spot=spot))
    if has_proxies:
        write_proxies(
            [
                Proxy(picture=build_picture_range(clip), target=find_proxy_path(clip, bundle.folder))
                for clip in sheet.clips
            ]
        )


def _make_urls_absolute(timeline: otio.schema.Timeline, base_folder: Path) -> None:
    """Relative URLs start from the folder of the cut, which is not that of the job."""
    for clip in timeline.find_clips():
        for reference in clip.media_references().values():
            if isinstance(reference, otio.schema.ImageSequenceReference):
                make_folder_absolute(reference, base_folder)
            elif isinstance(reference, otio.schema.ExternalReference):
                url = reference.target_url or ""
                if url.strip() and is_relative_url(url):
                    reference.target_url = build_media_url(resolve_media_path(url, base_folder))
