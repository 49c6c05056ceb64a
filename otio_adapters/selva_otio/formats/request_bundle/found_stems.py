"""Which stems of a bundle are there, and the cut with them on their tracks.

The WAV files are the only record: each says which cue and take it is and what made it, and it appears whole or not at
all. So nothing has to be kept in step while several programs fill one bundle, and a crash leaves nothing to repair.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import opentimelineio as otio

from selva_core.base.render_options import RenderOptions
from selva_otio.cues.cue_sheet import Cue, CueSheet
from selva_otio.formats.request_bundle.stem_waves import StemWave, read_stem_wave
from selva_otio.placement.place_stems import PlacementResult, Stem, measure_span, place_stems

MAX_FILES = 100_000


def place_found_stems(
    timeline: otio.schema.Timeline, sheet: CueSheet, options: RenderOptions, stems_folder: Path
) -> PlacementResult:
    """A clone of the timeline with the stems that are there, each on its track."""
    return place_stems(timeline, sheet, find_stems(sheet, options, stems_folder))


def find_stems(sheet: CueSheet, options: RenderOptions, stems_folder: Path) -> list[Stem]:
    """The stems that answer what is asked for now; those of an earlier prompt, seed or length are passed over."""
    cues = {cue.id: cue for cue in sheet.cues}
    found: dict[tuple[str, int], Stem] = {}
    for wave in _iter_waves(stems_folder):
        cue = cues.get(wave.provenance.get("cue", ""))
        take = _whole_number(wave.provenance.get("take"))
        if cue is not None and _answers(wave, cue, take, sheet, options):
            found[cue.id, take] = _build_stem(wave, cue, take)
    return list(found.values())


def has_stems(stems_folder: Path) -> bool:
    """Whether there is any stem, asked for or not."""
    return next(_iter_waves(stems_folder), None) is not None


def _iter_waves(folder: Path) -> Iterator[StemWave]:
    """The stems in a folder, the newest last."""
    if folder.is_symlink() or not folder.is_dir():
        return
    paths = [path for path in folder.iterdir() if path.suffix.lower() == ".wav" and path.name[0] != "."]
    for path in sorted(paths[:MAX_FILES], key=_modified):
        wave = read_stem_wave(path)
        if wave is not None:
            yield wave


def _modified(path: Path) -> tuple[int, str]:
    return path.lstat().st_mtime_ns, path.name


def _answers(wave: StemWave, cue: Cue, take: int, sheet: CueSheet, options: RenderOptions) -> bool:
    facts = wave.provenance
    wanted = {
        "prompt": cue.prompt,
        "negative_prompt": cue.negative_prompt,
        "seed": str(options.seed + take - 1),
        "num_steps": str(options.sampling.num_steps),
        "guidance": f"{options.sampling.guidance:g}",
        "model": options.model or facts.get("model"),
    }
    span = measure_span(cue.clip, sheet.clock, options.sample_rate_hz)
    return (
        1 <= take <= (cue.num_takes or options.num_takes)
        and all(facts.get(key) == value for key, value in wanted.items())
        and (wave.sample_rate_hz, wave.num_samples) == (options.sample_rate_hz, span.num_samples)
    )


def _build_stem(wave: StemWave, cue: Cue, take: int) -> Stem:
    facts = wave.provenance
    return Stem(
        cue=cue.id,
        take=take,
        seed=int(facts["seed"]),
        file=wave.path,
        sample_rate_hz=wave.sample_rate_hz,
        num_samples=wave.num_samples,
        provenance=(
            ("model", facts.get("model", "")),
            ("num_steps", int(facts["num_steps"])),
            ("guidance", float(facts["guidance"])),
        ),
    )


def _whole_number(text: str | None) -> int:
    """A take's number; 0 where there is none."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 6 else 0
