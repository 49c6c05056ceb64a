"""The stems in a bundle's folder, and the cut with them on their tracks.

The WAV files are the only record of what is rendered: each names its cue, its take and what made it, and appears whole or not at
all. So several programs can fill one bundle without a lock, and a crash leaves nothing to repair.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import opentimelineio as otio

from selva_core.base.evidence import EVIDENCE_SUFFIX, Evidence
from selva_core.base.pan import plan_panning
from selva_core.base.regular_file import read_bounded
from selva_core.base.render_options import (
    ENVELOPE,
    KEEP,
    SILENT,
    STEREO,
    RenderOptions,
    separation_provenance,
    siblings_of,
)
from selva_otio.cues.cue_sheet import Cue, CueSheet
from selva_otio.formats.request_bundle.stem_files import StemFile, load_stem_file
from selva_otio.placement.place_stems import PlacementResult, Stem, measure_span, place_stems

MAX_FILES = 100_000
MAX_EVIDENCE_BYTES = 64 * 1024 * 1024


def place_found_stems(
    timeline: otio.schema.Timeline, sheet: CueSheet, options: RenderOptions, stems_folder: Path
) -> PlacementResult:
    """A clone of the timeline with the stems of the folder on their tracks."""
    return place_stems(timeline, sheet, find_stems(sheet, options, stems_folder))


def find_stems(sheet: CueSheet, options: RenderOptions, stems_folder: Path) -> list[Stem]:
    """The stems that the cue sheet asks for; those of an earlier prompt, seed or length are passed over."""
    cues = {cue.id: cue for cue in sheet.cues}
    found: dict[tuple[str, int], Stem] = {}
    for file in _iter_stem_files(stems_folder):
        cue = cues.get(file.provenance.get("cue", ""))
        take = _parse_take(file.provenance.get("take"))
        if cue is not None and _is_requested(file, cue, take, sheet, options):
            found[cue.id, take] = _build_stem(file, cue, take, options)
    return list(found.values())


def has_stems(stems_folder: Path) -> bool:
    """Whether there is any stem, requested or not."""
    return next(_iter_stem_files(stems_folder), None) is not None


def _iter_stem_files(folder: Path) -> Iterator[StemFile]:
    """The stems in a folder, the newest last."""
    if folder.is_symlink() or not folder.is_dir():
        return
    paths = [path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.name[0] != "."]
    for path in sorted(paths[:MAX_FILES], key=_modified):
        file = load_stem_file(path)
        if file is not None:
            yield file


def _modified(path: Path) -> tuple[int, str]:
    return path.lstat().st_mtime_ns, path.name


def _is_requested(file: StemFile, cue: Cue, take: int, sheet: CueSheet, options: RenderOptions) -> bool:
    """Whether a stem was made of what its cue asks for now."""
    provenance = file.provenance
    requested = {
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "seed": str(options.seed + take - 1),
        "guidance": f"{options.sampling.guidance:g}",
        **({} if options.sampling.num_steps is None else {"num_steps": str(options.sampling.num_steps)}),
        "model": options.model or provenance.get("model"),
    }
    span = measure_span(cue.clip, sheet.clock, options.sample_rate_hz)
    siblings = siblings_of(cue.prompt, (each.prompt for each in sheet.cues if each.clip == cue.clip))
    separation = separation_provenance(options.sampling.separate, siblings)
    return (
        1 <= take <= (cue.num_takes or options.num_takes)
        and all(provenance.get(key) == value for key, value in requested.items())
        and provenance.get("quality", "final") == options.sampling.quality
        and all(provenance.get(key) == separation.get(key) for key in ("separate", "separated_from"))
        and not (options.absent == KEEP and provenance.get("absent") == SILENT)
        and _is_panned_as_requested(provenance, options)
        and (file.sample_rate_hz, file.num_samples) == (options.sample_rate_hz, span.num_samples)
    )


def _is_panned_as_requested(provenance: Mapping[str, str], options: RenderOptions) -> bool:
    pan = options.pan
    requested = {"pan": STEREO, "pan_width": f"{pan.width:g}"} if pan.mode == STEREO else {}
    requested |= {"distance": "yes"} if pan.distance else {}
    return {
        key: provenance[key] for key in ("pan", "pan_width", "distance") if key in provenance
    } == requested


def _find_pan(file: StemFile, options: RenderOptions) -> tuple[tuple[float, float], ...]:
    """The points of the curve that the stem's pan follows, from the evidence beside its file; none where there is none."""
    if options.pan.mode != ENVELOPE or "absent" in file.provenance:
        return ()
    try:
        content = json.loads(read_bounded(file.path.with_suffix(EVIDENCE_SUFFIX), MAX_EVIDENCE_BYTES))
        curve = plan_panning(options.pan, Evidence.from_json(content)).pan
    except (OSError, ValueError, RecursionError):
        return ()
    return () if curve is None else curve.points


def _build_stem(file: StemFile, cue: Cue, take: int, options: RenderOptions) -> Stem:
    provenance = file.provenance
    return Stem(
        cue=cue.id,
        take=take,
        seed=int(provenance["seed"]),
        file=file.path,
        sample_rate_hz=file.sample_rate_hz,
        num_samples=file.num_samples,
        num_channels=2 if provenance.get("pan") == STEREO else 1,
        pan=_find_pan(file, options),
        provenance=(
            ("model", provenance.get("model", "")),
            ("num_steps", int(provenance["num_steps"])),
            ("guidance", float(provenance["guidance"])),
            *((("quality", provenance["quality"]),) if "quality" in provenance else ()),
            *((("separate", float(provenance["separate"])),) if "separate" in provenance else ()),
        ),
    )


def _parse_take(text: str | None) -> int:
    """The number of a take; 0 where there is none."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 6 else 0
