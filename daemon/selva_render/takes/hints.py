"""The hints of the takes of a render, with what they mean for people; see `selva_core.audio.take_hints`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from selva_core.audio.take_hints import TakeHints, measure_take
from selva_core.base.errors import SelvaError
from selva_core.base.evidence import Evidence
from selva_otio import SpottedClip
from selva_render.json_outputs import HintOutput
from selva_render.report import RenderedStem

if TYPE_CHECKING:
    from selva_core.audio.events import LevelCurve

_MEANINGS = (
    ("peak_dbfs", "dBFS", "level of the loudest sample"),
    ("silent", "", "whether the loudest sample is below -60 dBFS"),
    ("clipped_samples", "samples", "how many samples are at full scale"),
    (
        "sync",
        "share",
        "of the rises of the level, those at times in which the source is seen; null where that says nothing",
    ),
    (
        "leak_db",
        "dB",
        "energy at times in which only other sounds of the clip are seen, against all; null where there are none",
    ),
    (
        "agreement",
        "share",
        "of its onsets and of the course of its level, what it has in common with the other takes; null of fewer than three",
    ),
)


def describe_hints(hints: TakeHints, agreement: float | None) -> list[HintOutput]:
    """Name, value, unit and meaning of each. agreement: with the other takes, where it was measured."""
    values = {**hints.to_json(), "agreement": None if agreement is None else round(agreement, 3)}
    return [
        {"name": name, "value": values[name], "unit": unit, "meaning": meaning}
        for name, unit, meaning in _MEANINGS
    ]


def iter_hint_lines(stems: Sequence[RenderedStem], hints: Mapping[str, TakeHints]) -> Iterator[str]:
    """A line for each stem of which more is known than its peak."""
    for stem in stems:
        known = hints.get(stem.result.file)
        parts = [] if known is None else list(_iter_parts(known))
        if parts:
            yield f"{stem.cue.track}, {stem.cue.clip.name}, take {stem.result.take}: {'; '.join(parts)}"


def _iter_parts(hints: TakeHints) -> Iterator[str]:
    if hints.is_silent:
        yield "silent"
    if hints.num_clipped:
        yield f"{hints.num_clipped} samples clipped"
    if hints.sync is not None:
        yield f"{hints.sync:.0%} of its rises while its source is seen"
    if hints.leak_db is not None:
        yield f"{hints.leak_db:.0f} dB of its energy while only others are seen"


def measure_hints(stems: Sequence[RenderedStem]) -> dict[str, TakeHints]:
    """The hints of each stem by its file; stems whose file cannot be read have none. Siblings are those of the same clip.

    What the daemon measured counts; what it did not, as daemons of version 0.1.0, is measured here.
    """
    hints = {
        stem.result.file: TakeHints.from_json(msgspec.structs.asdict(stem.result.hints))
        for stem in stems
        if stem.result.hints is not None
    }
    unmeasured = [stem for stem in stems if stem.result.file not in hints]
    if not unmeasured:
        return hints
    presence = {stem.result.file: _load_presence(stem.result.evidence) for stem in stems}
    by_clip: dict[SpottedClip, list[RenderedStem]] = {}
    for stem in stems:
        by_clip.setdefault(stem.cue.clip, []).append(stem)
    for stem in unmeasured:
        siblings = [
            presence[other.result.file]
            for other in by_clip[stem.cue.clip]
            if other.cue.track != stem.cue.track
        ]
        try:
            hints[stem.result.file] = measure_take(
                Path(stem.result.file), presence[stem.result.file], [each for each in siblings if each]
            )
        except (OSError, ValueError, SelvaError):
            continue
    return hints


def measure_agreements(stems: Sequence[RenderedStem]) -> dict[str, float]:
    """How well each take agrees with the others of its cue, by its file; takes that cannot be read, and fewer than three, have
    none.
    """
    takes: dict[str, list[str]] = {}
    for stem in stems:
        takes.setdefault(stem.cue.id, []).append(stem.result.file)
    agreements: dict[str, float] = {}
    for files in takes.values():
        if len(files) > 1:
            agreements |= _compare_takes(files)
    return agreements


def _compare_takes(files: Sequence[str]) -> dict[str, float]:
    # Loads soundfile, which most renders do not need here: they make one take of each stem.
    from selva_core.audio.events import load_level_curve  # noqa: PLC0415
    from selva_core.audio.take_agreement import measure_agreement  # noqa: PLC0415

    curves: dict[str, LevelCurve] = {}
    for file in files:
        with suppress(SelvaError):
            curves[file] = load_level_curve(Path(file))
    measured = zip(curves, measure_agreement(list(curves.values())), strict=True)
    return {file: agreement for file, agreement in measured if agreement is not None}


def choose_best(
    stems: Sequence[RenderedStem], hints: Mapping[str, TakeHints], agreements: Mapping[str, float]
) -> dict[str, int]:
    """The take of each cue that is to play, by the cue's id: one that sounds, and of these the one that agrees most with the
    others (`measure_agreements`), which alone was found to choose better than at random; then the one that the hints put
    first. Of equal ones the first.
    """

    def rank(stem: RenderedStem) -> tuple[bool, float, tuple[bool, float, float]]:
        known = hints[stem.result.file]
        return (not known.is_silent, agreements.get(stem.result.file, 0.0), known.rank)

    best: dict[str, RenderedStem] = {}
    for stem in sorted(stems, key=lambda stem: stem.result.take):
        if stem.result.file not in hints:
            continue
        chosen = best.get(stem.cue.id)
        if chosen is None or rank(stem) > rank(chosen):
            best[stem.cue.id] = stem
    return {cue: stem.result.take for cue, stem in best.items()}


def _load_presence(path: str | None) -> Evidence | None:
    """None where there is none, or what is there is no evidence."""
    if path is None:
        return None
    try:
        return Evidence.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
