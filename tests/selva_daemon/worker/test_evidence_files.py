"""What a model saw is written beside each stem, and a thing that is not in the picture has a silent stem."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from selva_core.base.errors import SelvaError
from selva_core.engine import BatchRequest, Evidence, SamplingSettings, Waveform
from selva_core.engines.echo import EchoEngine
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import StemResult
from selva_daemon.worker import rendering
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.evidence_files import build_sight, evidence_warnings
from selva_daemon.worker.job_context import JobContext, OutputRules
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.rendering import JobRenderer
from selva_daemon.worker.stem_cache import StemCache
from selva_daemon.worker.worker import _write_stem
from tests.support.daemons import JobMaker

SECONDS = 4


def build_evidence(
    *, whole: float, presence: Sequence[float] = (), threshold: float | None = 0.5
) -> Evidence:
    presence = tuple(presence) or (whole,) * 50
    steps = len(presence)
    return Evidence(
        rate_hz=Fraction(25, 2),
        presence=presence,
        x=(0.5,) * steps,
        y=(0.5,) * steps,
        spread=(0.2,) * steps,
        rows=1,
        columns=1,
        heat=bytes([255]) * steps,
        whole=whole,
        threshold=threshold,
    )


class SeeingEngine(EchoEngine):
    """Makes a tone, and sees everything but dogs; `threshold` None as a model whose presence is a hint."""

    threshold: float | None = 0.5
    has_evidence = True
    num_renders = 0

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        self.num_renders += 1
        outcomes = super().render_batch(requests, settings=settings)
        return [
            outcome if isinstance(outcome, SelvaError) else self._look(request, outcome)
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    def look(self, request: BatchRequest) -> list[Evidence | None]:
        return [
            build_evidence(whole=0.1 if "dog" in stem.prompt else 0.9, threshold=self.threshold)
            for stem in request.requests
        ]

    def _look(self, request: BatchRequest, waveforms: Sequence[Waveform]) -> list[Waveform]:
        return [
            replace(
                waveform,
                samples=np.full(len(waveform.samples), 0.25, np.float32),
                evidence=build_evidence(whole=0.1 if "dog" in stem.prompt else 0.9, threshold=self.threshold)
                if self.has_evidence
                else None,
            )
            for stem, waveform in zip(request.requests, waveforms, strict=True)
        ]


class OneEngine:
    def __init__(self, engine: SeeingEngine) -> None:
        self._engine = engine

    def engine_for(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> SeeingEngine:
        return self._engine

    def info_of(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> ModelInfo:
        return ModelInfo.of(self._engine)


def run(engine: SeeingEngine, job: JobRequest, cache: Path) -> list[StemResult]:
    renderer = JobRenderer(
        engines=OneEngine(engine),
        cache=StemCache(BlobStore(cache, max_bytes=1 << 24)),
        write_stem=_write_stem,
        output_rules=OutputRules(allowed=(), forbidden=()),
    )
    context = JobContext(
        job_id="j", job=job, on_progress=lambda progress, part="": None, is_cancelled=lambda: False
    )
    prepared = renderer.prepare(context)
    [outcome] = renderer.render([prepared])
    assert not isinstance(outcome, Exception)
    return renderer.publish(prepared, outcome)


def peak(stem: StemResult) -> float:
    samples, _ = soundfile.read(stem.file)
    return float(np.abs(samples).max())


@pytest.fixture
def dog_and_boots(make_job: JobMaker) -> JobRequest:
    return make_job(prompts=["a dog barking", "boots on gravel"])


def test_stem_of_an_absent_thing_is_silent_and_says_so_and_that_of_a_present_one_sounds(
    dog_and_boots: JobRequest, tmp_path: Path
) -> None:
    dog, boots = run(SeeingEngine(), dog_and_boots, tmp_path / "cache")
    assert (peak(dog), dog.presence, dog.silenced) == (0.0, 0.1, True)
    assert any("nothing in this clip looks like 'a dog barking'" in warning for warning in dog.warnings)
    assert peak(boots) > 0.2
    assert (boots.presence, boots.silenced) == (0.9, False)
    assert not any("looks like" in warning for warning in boots.warnings)


def test_absent_things_sound_where_the_job_says_keep_and_the_sound_comes_from_the_cache(
    dog_and_boots: JobRequest, tmp_path: Path
) -> None:
    engine = SeeingEngine()
    silent, _ = run(engine, dog_and_boots, tmp_path / "cache")
    loud, _ = run(engine, msgspec.structs.replace(dog_and_boots, absent="keep"), tmp_path / "cache")
    assert engine.num_renders == 1
    assert peak(loud) > 0.2
    assert not loud.silenced
    assert any("nothing in this clip" in warning for warning in loud.warnings)
    assert loud.file != silent.file


def test_a_presence_that_is_a_hint_silences_nothing(dog_and_boots: JobRequest, tmp_path: Path) -> None:
    engine = SeeingEngine()
    engine.threshold = None
    dog, _ = run(engine, dog_and_boots, tmp_path / "cache")
    assert peak(dog) > 0.2
    assert (dog.presence, dog.silenced) == (0.1, False)
    assert not any("looks like" in warning for warning in dog.warnings)


def test_evidence_lies_beside_its_stem_also_when_the_stem_comes_from_the_cache(
    dog_and_boots: JobRequest, tmp_path: Path
) -> None:
    engine = SeeingEngine()
    first = run(engine, dog_and_boots, tmp_path / "cache")
    for stem in first:
        Path(str(stem.evidence)).unlink()
    again = run(engine, dog_and_boots, tmp_path / "cache")
    assert [stem.cached for stem in again] == [True, True]
    for stem in again:
        evidence = Path(str(stem.evidence))
        assert evidence == Path(stem.file).with_suffix(".evidence.json")
        content = json.loads(evidence.read_text(encoding="utf-8"))
        assert Evidence.from_json(content).whole == stem.presence
        assert content["track"] == stem.track
        assert len(content["presence"]) == 50
    assert len(list((tmp_path / "stems").iterdir())) == 4


def test_an_engine_that_does_not_look_writes_stems_alone(dog_and_boots: JobRequest, tmp_path: Path) -> None:
    engine = SeeingEngine()
    engine.has_evidence = False
    dog, _ = run(engine, dog_and_boots, tmp_path / "cache")
    assert (dog.presence, dog.evidence, dog.silenced) == (None, None, False)
    assert len(list((tmp_path / "stems").iterdir())) == 2


@pytest.mark.parametrize(("is_calibrated", "num_renders"), [(True, 2), (False, 1)])
def test_what_was_cached_without_evidence_is_looked_at_again_by_a_calibrated_model_alone(
    dog_and_boots: JobRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_calibrated: bool,
    num_renders: int,
) -> None:
    engine = SeeingEngine()
    engine.has_evidence = False
    run(engine, dog_and_boots, tmp_path / "cache")
    engine.has_evidence = True
    monkeypatch.setattr(rendering, "has_calibrated_presence", lambda model_id: is_calibrated)
    dog, _ = run(engine, dog_and_boots, tmp_path / "cache")
    assert engine.num_renders == num_renders
    assert dog.silenced is is_calibrated


def test_seconds_are_named_where_a_thing_is_seen_for_a_part_of_the_clip_only() -> None:
    partly = build_evidence(whole=0.95, presence=[0.1] * 20 + [0.9] * 30)
    assert list(evidence_warnings(partly, "a  dog\nbarking", is_silenced=False)) == [
        "this clip looks like 'a dog barking' only from 1.6 to 4.0 s"
    ]
    wholly = build_evidence(whole=0.95, presence=[0.9] * 45 + [0.1] * 5)
    assert list(evidence_warnings(wholly, "a dog barking", is_silenced=False)) == []


def test_a_job_that_looks_says_what_is_seen_and_neither_renders_nor_writes(
    dog_and_boots: JobRequest, tmp_path: Path
) -> None:
    engine = SeeingEngine()
    job = msgspec.structs.replace(dog_and_boots, look=True)
    dog, boots = run(engine, job, tmp_path / "cache")
    assert (dog.presence, boots.presence) == (0.1, 0.9)
    assert (dog.file, dog.evidence, dog.silenced, dog.cached) == ("", None, False, False)
    assert dog.warnings == ("nothing in this clip looks like 'a dog barking'",)
    assert boots.warnings == ()
    assert boots.sight is not None
    assert boots.sight.presence == build_evidence(whole=0.9).presence
    assert engine.num_renders == 0
    assert not (tmp_path / "stems").exists()
    run(engine, dog_and_boots, tmp_path / "cache")
    assert [stem.cached for stem in run(engine, job, tmp_path / "cache")] == [True, True]


def test_the_sight_of_a_long_clip_has_a_thousand_steps_at_most_and_loses_no_sighting() -> None:
    presence = [0.1] * 5000
    presence[4321] = 0.9
    long = build_evidence(whole=0.9, presence=presence)
    sight = build_sight(long)
    assert sight is not None
    assert len(sight.presence) == len(sight.x) == len(sight.spread) == 1000
    assert max(sight.presence) == 0.9
    assert sight.presence.index(0.9) / sight.rate_hz == pytest.approx(4320 / float(long.rate_hz))
    assert build_sight(None) is None
