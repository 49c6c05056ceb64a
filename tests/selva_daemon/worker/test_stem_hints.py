"""What is measured of the stems of a job: beside each other, and in the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec

from selva_core.engine import Evidence, Waveform
from selva_daemon.protocol.status import StemHints, StemResult
from tests.selva_daemon.worker.test_evidence_files import SeeingEngine, run
from tests.support.daemons import JobMaker


class TurnsEngine(SeeingEngine):
    """Sees the first prompt in the first half of the clip, and the second in the other."""

    def _look(self, request: object, waveforms: Sequence[Waveform]) -> list[Waveform]:
        looked = super()._look(request, waveforms)  # type: ignore[arg-type]
        return [
            waveform
            if waveform.evidence is None
            else replace(waveform, evidence=_seen_in(waveform.evidence, half=index % 2))
            for index, waveform in enumerate(looked)
        ]


def _seen_in(evidence: Evidence, *, half: int) -> Evidence:
    steps = len(evidence.presence)
    first = [1.0 if index < steps / 2 else 0.0 for index in range(steps)]
    presence = tuple(first if half == 0 else first[::-1])
    return replace(evidence, presence=presence, rate_hz=Fraction(steps * 5, 2))  # of 0.4 s


def test_stems_of_a_job_are_measured_against_what_is_seen_of_the_others(
    make_job: JobMaker, tmp_path: Path
) -> None:
    job = make_job(prompts=["boots on gravel", "a bell"])
    one, other = run(TurnsEngine(), job, tmp_path / "cache")
    assert one.hints is not None
    assert other.hints is not None
    assert one.hints.leak_db is not None
    assert one.hints.peak_dbfs > -20
    assert not one.hints.silent
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=StemResult) == one
    alone = run(TurnsEngine(), make_job(prompts=["boots on gravel"]), tmp_path / "cache")[0]
    assert alone.hints == StemHints(
        peak_dbfs=one.hints.peak_dbfs, silent=False, clipped_samples=0, sync=one.hints.sync, leak_db=None
    )
