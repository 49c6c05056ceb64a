"""Cuts to bundle, stems as a daemon leaves them, and what a timeline holds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio

from selva_core.audio.stem_writer import write_stem
from selva_core.engine import Waveform
from selva_otio.cues.cue_sheet import Cue
from selva_otio.formats.request_bundle.bundle_folder import RequestBundle, load_bundle_folder
from selva_otio.placement.place_stems import measure_span
from tests.selva_otio.cuts import CutBuilder

DOG = {"Dog": "small dog barking"}
RATE_HZ = 24000 / 1001


def media_file(folder: Path, name: str = "shot.mov") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")
    return path


def make_cut(media: Path, *, url: str | None = None) -> otio.schema.Timeline:
    """Two clips of one file around a gap, at 23.976 from 01:00:00:00, with metadata of somebody else's."""
    builder = CutBuilder(rate_hz=RATE_HZ, start_frame=86_400, media_url=url or media.as_uri())
    track = builder.track(
        builder.clip("one", offset=12, frames=24), builder.gap(6), builder.clip("two", offset=100, frames=48)
    )
    timeline = builder.timeline(track)
    timeline.metadata["studio"] = {"shot": 7}
    track[0].metadata["selva"] = {"note": "ours by name only"}
    return timeline


def write_bundle_file(timeline: otio.schema.Timeline, path: Path, **options: Any) -> RequestBundle:
    otio.adapters.write_to_file(timeline, str(path), **options)
    return load_bundle_folder(path)


def make_stem(
    bundle: RequestBundle,
    cue: Cue,
    *,
    number: int = 1,
    level: float = 0.1,
    changes: Mapping[str, str] | None = None,
) -> Path:
    """A stem as the daemon writes it into a bundle; `number` is its take, `changes` are made to its provenance."""
    options = bundle.options.render
    span = measure_span(cue.clip, bundle.spot().clock, options.sample_rate_hz)
    provenance: Mapping[str, str] = {
        "cue": cue.id,
        "track": cue.track,
        "take": str(number),
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "seed": str(options.seed + number - 1),
        "model": "selva-nano",
        "num_steps": str(options.sampling.num_steps or 25),
        "guidance": f"{options.sampling.guidance:g}",
        **(changes or {}),
    }
    bundle.stems_folder.mkdir(exist_ok=True)
    # A list of siblings has brackets and quotes, which are escaped in links.
    values = [re.sub(r"[^\w .-]", "", value) for value in (changes or {}).values()]
    name = "_".join([cue.track, cue.clip.name, f"t{number:02}", *values])
    path = bundle.stems_folder / f"{name}_{level:g}.wav"
    samples = np.full(span.num_samples, level, dtype=np.float32)
    write_stem(
        path,
        Waveform(samples=samples, sample_rate_hz=options.sample_rate_hz),
        sample_rate_hz=options.sample_rate_hz,
        num_samples=span.num_samples,
        provenance=provenance,
    )
    return path


def stem_files(timeline: otio.schema.Timeline) -> dict[str, list[str]]:
    """Names of the files of each audio track, all takes of all clips."""
    return {
        track.name: [
            Path(reference.target_url).name
            for clip in track.find_clips()
            for reference in clip.media_references().values()
        ]
        for track in timeline.audio_tracks()
    }
