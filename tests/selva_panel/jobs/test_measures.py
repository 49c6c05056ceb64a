"""The meters of a stem: what sounds while its prompt is seen, and what sounds while only others are."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.base.evidence import Evidence
from selva_panel.jobs.measures import measure_stems, note_measures
from selva_panel.session.records import StemRecord

RATE_HZ = 48_000
FIRST_HALF, SECOND_HALF = [1.0] * 8 + [0.0] * 8, [0.0] * 8 + [1.0] * 8
"""Presence over two seconds."""


def stem_of(folder: Path, row_id: str, *, clicks_s: tuple[float, ...], presence: list[float]) -> StemRecord:
    samples = np.zeros(2 * RATE_HZ)
    for second in clicks_s:
        start = round(second * RATE_HZ)
        samples[start : start + 480] = 0.5
    file = folder / f"{row_id}.wav"
    soundfile.write(file, samples, RATE_HZ, subtype="PCM_24")
    middle = [0.5] * len(presence)
    evidence = Evidence(
        rate_hz=Fraction(8), whole=1.0, presence=tuple(presence), x=tuple(middle), y=tuple(middle), spread=tuple(middle),
        rows=1, columns=1, heat=bytes(len(presence)), threshold=0.5,
    )  # fmt: skip
    beside = folder / f"{row_id}.json"
    beside.write_text(json.dumps(evidence.to_json()))
    return StemRecord(
        id=row_id, row_id=row_id, clip_id="c", cue="", take=1, seed=1, file=str(file), prompt=row_id, negative="",
        model="selva-nano", start_frames=0, start_sample=0, offset_samples=0, length_samples=2 * RATE_HZ,
        sample_rate_hz=RATE_HZ, num_samples=2 * RATE_HZ, num_steps=25, guidance=4.5, evidence=str(beside),
        hints=[{"kind": "note", "text": "from the engine", "seconds": []}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("clicks_s", "sync", "kinds"),
    [((0.2, 0.6), 1.0, ["note"]), ((0.2, 1.2, 1.6), 1 / 3, ["note", "sync", "leak"])],
)
def test_a_stem_that_sounds_where_only_its_sibling_is_seen_has_hints(
    tmp_path: Path, clicks_s: tuple[float, ...], sync: float, kinds: list[str]
) -> None:
    dog = stem_of(tmp_path, "dog", clicks_s=clicks_s, presence=FIRST_HALF)
    bell = stem_of(tmp_path, "bell", clicks_s=(1.5,), presence=SECOND_HALF)
    measured = measure_stems([dog, bell], {"c"})
    for _ in range(2):  # measured once more when a sibling comes: nothing is said twice
        note_measures(dog, measured["dog"])
    values = {measure["name"]: measure["value"] for measure in dog.measures}
    assert values["sync"] == pytest.approx(sync, abs=0.02)
    assert values["peak"] == pytest.approx(-6.0, abs=0.1)
    assert [hint["kind"] for hint in dog.hints] == kinds


def test_stems_of_other_clips_and_files_that_are_gone_are_left_out(tmp_path: Path) -> None:
    dog = stem_of(tmp_path, "dog", clicks_s=(0.2,), presence=FIRST_HALF)
    assert measure_stems([dog], {"other"}) == {}
    Path(dog.file).unlink()
    assert measure_stems([dog], {"c"}) == {}
