"""Stems are heard from where their thing is seen, as the job asks: by a curve in the reply, or in a stereo file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from selva_core.audio.provenance import read_provenance
from selva_core.engine import Evidence, Waveform
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.job import JobRequest, parse_job
from selva_daemon.protocol.status import StemResult
from tests.selva_daemon.worker.test_evidence_files import SeeingEngine, run
from tests.support.daemons import JobMaker


class LeftEngine(SeeingEngine):
    """Sees everything but dogs, at the left edge of the picture, as small as half of it."""

    def _look(self, request: object, waveforms: Sequence[Waveform]) -> list[Waveform]:
        looked = super()._look(request, waveforms)  # type: ignore[arg-type]
        return [
            waveform
            if waveform.evidence is None
            else replace(waveform, evidence=_at_the_left(waveform.evidence))
            for waveform in looked
        ]


def _at_the_left(evidence: Evidence) -> Evidence:
    steps = len(evidence.x)
    # One place of ten: a quarter of the area from which on a thing counts as near.
    heat = bytes([255, *[0] * 9]) * steps
    return replace(evidence, x=(0.0,) * steps, rows=1, columns=10, heat=heat)


@pytest.fixture
def boots(make_job: JobMaker) -> JobRequest:
    return make_job(prompts=["boots on gravel"])


def render(job: JobRequest, tmp_path: Path, engine: SeeingEngine | None = None) -> StemResult:
    [stem] = run(engine or LeftEngine(), job, tmp_path / "cache")
    return stem


def channels(stem: StemResult) -> list[float]:
    """The highest sample of each channel."""
    samples, _ = soundfile.read(stem.file, always_2d=True)
    return [round(float(level), 3) for level in np.abs(samples).max(axis=0)]


def test_no_stem_is_panned_unless_the_job_says_so(boots: JobRequest, tmp_path: Path) -> None:
    stem = render(boots, tmp_path)
    assert (channels(stem), stem.num_channels, stem.pan) == ([0.25], 1, ())


def test_envelope_gives_the_curve_and_leaves_the_file_as_it_is(boots: JobRequest, tmp_path: Path) -> None:
    plain = render(boots, tmp_path)
    before = Path(plain.file).read_bytes()
    stem = render(msgspec.structs.replace(boots, pan="envelope", pan_width=0.5), tmp_path)
    assert stem.file == plain.file
    assert Path(stem.file).read_bytes() == before
    assert stem.num_channels == 1
    assert {pan for _, pan in stem.pan} == {-0.5}


def test_stereo_is_another_file_whose_channels_say_where_it_is(boots: JobRequest, tmp_path: Path) -> None:
    engine = LeftEngine()
    plain = render(boots, tmp_path, engine)
    stem = render(msgspec.structs.replace(boots, pan="stereo"), tmp_path, engine)
    half = render(msgspec.structs.replace(boots, pan="stereo", pan_width=0.5), tmp_path, engine)
    assert channels(stem) == [0.25, 0.0]
    assert channels(half) == [0.231, 0.096]
    assert (stem.num_channels, stem.pan, stem.cached) == (2, (), True)
    assert len({plain.file, stem.file, half.file}) == 3
    assert engine.num_renders == 1
    provenance = read_provenance(Path(half.file))
    assert provenance is not None
    assert (provenance["pan"], provenance["pan_width"]) == ("stereo", "0.5")


def test_distance_lowers_what_is_seen_small_and_is_another_file(boots: JobRequest, tmp_path: Path) -> None:
    plain = render(boots, tmp_path)
    far = render(msgspec.structs.replace(boots, distance=True), tmp_path)
    assert channels(far) == [0.125]
    assert far.file != plain.file
    assert (read_provenance(Path(far.file)) or {})["distance"] == "yes"


def test_what_is_not_seen_is_heard_from_the_middle_and_a_warning_says_so(
    make_job: JobMaker, tmp_path: Path
) -> None:
    dog = make_job(prompts=["a dog barking"])
    stem = render(msgspec.structs.replace(dog, pan="stereo", absent="keep"), tmp_path)
    assert channels(stem) == [0.177, 0.177]
    assert any("heard from the middle" in warning for warning in stem.warnings)
    silent = render(msgspec.structs.replace(dog, pan="stereo"), tmp_path)
    assert channels(silent) == [0.0, 0.0]
    assert not any("middle" in warning for warning in silent.warnings)


def test_an_engine_that_does_not_look_says_that_it_cannot_pan(boots: JobRequest, tmp_path: Path) -> None:
    blind = LeftEngine()
    blind.has_evidence = False
    stem = render(msgspec.structs.replace(boots, pan="envelope"), tmp_path, blind)
    assert stem.pan == ()
    assert any("did not see where" in warning for warning in stem.warnings)
    plain = render(boots, tmp_path, blind)
    assert not any("did not see where" in warning for warning in plain.warnings)


def test_a_job_without_pan_is_sent_as_daemons_of_earlier_versions_read_it(boots: JobRequest) -> None:
    assert {"pan", "pan_width", "distance"}.isdisjoint(boots.to_wire())
    panned = msgspec.structs.replace(boots, pan="stereo", pan_width=0.25, distance=True)
    assert parse_job(panned.to_wire()) == panned


@pytest.mark.parametrize(
    "wrong", [{"pan": "wide"}, {"pan_width": 1.5}, {"pan_width": -0.1}, {"distance": "yes"}]
)
def test_a_wrong_pan_is_refused(boots: JobRequest, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError, match=next(iter(wrong))):
        parse_job({**boots.to_wire(), **wrong})
