"""A job that makes a stretch of an earlier take anew: what the new file holds, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from selva_core.audio.stem_file import read_stem_file
from selva_core.audio.stem_writer import write_stem
from selva_core.audio.wav import read_wave_audio
from selva_core.base.errors import MediaNotFoundError, RequestError, SelvaError
from selva_core.engine import BatchRequest, SamplingSettings, Waveform
from selva_core.engines.echo import EchoEngine
from selva_daemon.protocol.errors import InvalidRequestError
from selva_daemon.protocol.job import JobRequest, RedoRequest, parse_job
from selva_daemon.protocol.recipe import RecipeExtension, StemRecipe
from selva_daemon.protocol.status import StemResult
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.job_context import JobContext, OutputRules
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.planned_redo import build_request
from selva_daemon.worker.rendering import JobRenderer
from selva_daemon.worker.stem_cache import StemCache
from selva_daemon.worker.worker import _write_stem
from tests.support.daemons import JobMaker

START, END = 6_000, 9_000


class LatentEngine(EchoEngine):
    """Remembers what it was asked for; its latents are its samples."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[BatchRequest] = []

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        self.batches += requests
        return [
            outcome
            if isinstance(outcome, SelvaError)
            else [replace(each, latents=each.samples[:, None]) for each in outcome]
            for outcome in super().render_batch(requests, settings=settings)
        ]


class OneEngine:
    def __init__(self, engine: EchoEngine) -> None:
        self._engine = engine

    def engine_for(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> EchoEngine:
        return self._engine

    def info_of(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> ModelInfo:
        return ModelInfo.of(self._engine)


Run = Callable[[JobRequest], list[StemResult]]


@pytest.fixture
def engine() -> LatentEngine:
    return LatentEngine()


@pytest.fixture
def run(engine: LatentEngine, tmp_path: Path) -> Run:
    renderer = JobRenderer(
        engines=OneEngine(engine),
        cache=StemCache(BlobStore(tmp_path / "cache", max_bytes=1 << 24)),
        write_stem=_write_stem,
        output_rules=OutputRules(allowed=(), forbidden=()),
    )

    def run_job(job: JobRequest) -> list[StemResult]:
        context = JobContext(
            job_id="j", job=job, on_progress=lambda progress, part="": None, is_cancelled=lambda: False
        )
        prepared = renderer.prepare(context)
        [outcome] = renderer.render([prepared])
        if isinstance(outcome, Exception):
            raise outcome
        return renderer.publish(prepared, outcome)

    return run_job


def redo_of(
    job: JobRequest, file: str | Path, *, start: int = START, end: int = END, seed: int = 8, prompt: str = ""
) -> JobRequest:
    """The same job, but for one take in which a stretch of `file` is made anew."""
    [cue] = job.cues
    redo = RedoRequest(file=Path(file), start_sample=start, end_sample=end)
    take = msgspec.structs.replace(cue.takes[0], take=2, seed=seed, redo=redo)
    cue = msgspec.structs.replace(cue, takes=(take,), prompt=prompt or cue.prompt)
    return msgspec.structs.replace(job, cues=(cue,))


def read(stem: StemResult) -> np.ndarray:
    samples, _ = soundfile.read(stem.file, dtype="int32")
    return np.asarray(samples)


def test_the_new_take_is_the_earlier_one_outside_the_stretch(run: Run, make_job: JobMaker) -> None:
    job = make_job()
    [first] = run(job)
    [second] = run(redo_of(job, first.file))
    assert (second.take, second.seed) == (2, 8)
    assert second.file != first.file
    changed = np.flatnonzero(read(first) != read(second))
    assert changed.size
    assert changed.min() >= START - 4_800
    assert changed.max() < END + 4_800


def test_a_stretch_that_was_made_before_comes_out_of_the_cache(
    run: Run, make_job: JobMaker, engine: LatentEngine
) -> None:
    job = make_job()
    [first] = run(job)
    [second] = run(redo_of(job, first.file))
    [again] = run(redo_of(job, first.file))
    assert (second.cached, again.cached, again.file) == (False, True, second.file)
    [other] = run(redo_of(job, first.file, end=END + 1))
    assert not other.cached
    assert other.file != second.file
    assert len(engine.batches) == 3


def test_latents_that_were_kept_are_given_to_the_engine_and_lost_ones_are_made_again(
    run: Run, make_job: JobMaker, engine: LatentEngine, tmp_path: Path
) -> None:
    job = make_job()
    [first] = run(job)
    run(redo_of(job, first.file))
    shutil.rmtree(tmp_path / "cache")
    run(redo_of(job, first.file, seed=9))
    stored, lost = (batch.requests[0].redo for batch in engine.batches[1:])
    assert stored is not None
    assert stored.base_latents is not None
    assert stored.base_latents.shape == (19_200, 1)
    assert lost is not None
    assert lost.base_latents is None
    assert lost.base == stored.base


def test_the_recipe_of_each_stretch_is_kept_in_the_file(run: Run, make_job: JobMaker) -> None:
    job = make_job()
    [first] = run(job)
    [second] = run(redo_of(job, first.file, prompt="a bell"))
    [third] = run(redo_of(job, second.file, start=0, end=10, seed=9))
    recipe = StemRecipe.parse(read_stem_file(Path(third.file)).provenance, name="third")
    assert (recipe.prompt, recipe.seed) == ("boots on gravel", 1)
    assert [(each.prompt, each.seed) for each in recipe.stretches] == [("a bell", 8), ("boots on gravel", 9)]
    request = build_request(recipe)
    assert request.redo is not None
    assert request.redo.base.redo is not None
    assert request.redo.base.redo.base.redo is None
    assert recipe.picture == replace(job.media, path=Path(job.media.path.name))


def test_the_file_is_another_where_the_earlier_file_was_edited(run: Run, make_job: JobMaker) -> None:
    job = make_job()
    [first] = run(job)
    [second] = run(redo_of(job, first.file))
    stem = read_stem_file(Path(first.file))
    quiet = Path(first.file).with_name("quiet.wav")
    samples, _ = soundfile.read(first.file, dtype="float32")
    write_stem(
        quiet,
        Waveform(samples=samples / 2, sample_rate_hz=48_000),
        sample_rate_hz=48_000,
        num_samples=len(samples),
        provenance=stem.provenance,
    )
    [other] = run(redo_of(job, quiet))
    assert other.file != second.file
    assert np.array_equal(read(other)[:1000], soundfile.read(quiet, dtype="int32")[0][:1000])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_steps": 7}, "steps 25, not 7"),
        ({"guidance": 2.0}, "guidance 4.5, not 2"),
        ({"quality": "draft"}, "quality final, not draft"),
    ],
)
def test_a_job_that_makes_sound_in_another_way_is_refused(
    run: Run, make_job: JobMaker, change: dict[str, object], named: str
) -> None:
    [first] = run(make_job())
    with pytest.raises(RequestError, match=named):
        run(redo_of(make_job(**change), first.file))


def test_a_job_over_another_range_is_refused(run: Run, make_job: JobMaker) -> None:
    job = make_job()
    [first] = run(job)
    moved = msgspec.structs.replace(job, media=replace(job.media, speed=2 * job.media.speed))
    with pytest.raises(
        RequestError, match="picture range 0 s for 2/5 s at speed 1, not 0 s for 2/5 s at speed 2"
    ):
        run(redo_of(moved, first.file))


def test_other_media_is_warned_of(run: Run, make_job: JobMaker, tmp_path: Path) -> None:
    job = make_job()
    [first] = run(job)
    longer = tmp_path / job.media.path.name
    longer.write_bytes(job.media.path.read_bytes() + b"\0" * 8)
    moved = msgspec.structs.replace(job, media=replace(job.media, path=longer))
    [second] = run(redo_of(moved, first.file))
    assert any("is not the file that" in warning for warning in second.warnings)
    [same] = run(redo_of(job, first.file))
    assert not any("is not the file that" in warning for warning in same.warnings)


def test_a_file_that_is_no_stem_is_refused(run: Run, make_job: JobMaker, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "other.wav", np.zeros(19_200), 48_000, subtype="PCM_24")
    with pytest.raises(RequestError, match="no stem of Selva Bridge"):
        run(redo_of(make_job(), tmp_path / "other.wav"))
    with pytest.raises(MediaNotFoundError):
        run(redo_of(make_job(), tmp_path / "gone.wav"))


def test_a_stretch_goes_over_the_wire_and_back(make_job: JobMaker, tmp_path: Path) -> None:
    job = redo_of(make_job(), tmp_path / "a.wav")
    assert parse_job(job.to_wire()) == job
    assert "redo" not in make_job().to_wire()["cues"][0]["takes"][0]


@pytest.mark.parametrize(
    ("start", "end", "named"), [(5, 5, "above 5"), (0, 19_201, "at most 19200"), (-1, 5, "start_sample")]
)
def test_a_stretch_that_is_not_in_the_stem_is_refused(
    make_job: JobMaker, tmp_path: Path, start: int, end: int, named: str
) -> None:
    job = redo_of(make_job(), tmp_path / "a.wav", start=start, end=end)
    with pytest.raises(InvalidRequestError) as refusal:
        parse_job(job.to_wire())
    assert named in str(refusal.value.facts) + str(refusal.value)


HEAD, TAIL = 4_800, 6_000


def shorter(job: JobRequest) -> JobRequest:
    """The job for what is left of its picture without the head and the tail."""
    media = job.media.part(Fraction(HEAD, 48_000), job.media.duration_s - Fraction(HEAD + TAIL, 48_000))
    samples = job.output.num_samples - HEAD - TAIL
    output = msgspec.structs.replace(job.output, num_samples=samples)
    return msgspec.structs.replace(job, media=media, output=output)


def extended(job: JobRequest, file: str | Path, **changes: int) -> JobRequest:
    """The job in which the stem in `file` goes on on both sides."""
    added = {"extend_head_samples": HEAD, "extend_tail_samples": TAIL, **changes}
    [cue] = job.cues
    redo = RedoRequest(file=Path(file), **added)
    take = msgspec.structs.replace(cue.takes[0], take=2, seed=8, redo=redo)
    return msgspec.structs.replace(job, cues=(msgspec.structs.replace(cue, takes=(take,)),))


def test_an_extended_take_is_the_earlier_one_with_more_before_and_after_it(
    run: Run, make_job: JobMaker
) -> None:
    job = make_job()
    [first] = run(shorter(job))
    [longer] = run(extended(job, first.file))
    assert (longer.take, longer.num_samples) == (2, job.output.num_samples)
    old, new = read(first), read(longer)
    assert len(new) == len(old) + HEAD + TAIL
    same = np.flatnonzero(new[HEAD : HEAD + len(old)] == old)
    # Both cross-overs meet in the middle of so short a stem; the longer ones are in test_splice.
    assert same.size
    assert new[:HEAD].any()
    assert new[HEAD + len(old) :].any()


def test_silence_that_fills_the_last_frame_gives_way_to_what_goes_on_and_sound_does_not(
    run: Run, make_job: JobMaker
) -> None:
    job = make_job()
    short = shorter(job)
    padded = msgspec.structs.replace(short.output, num_samples=short.output.num_samples + 480)
    [first] = run(msgspec.structs.replace(short, output=padded))
    old = read(first)
    assert not old[-480:].any()
    [longer] = run(extended(job, first.file))
    assert longer.num_samples == job.output.num_samples
    new = read(longer)
    assert new[HEAD + len(old) - 480 :].any()
    audio = read_wave_audio(Path(first.file))
    with open(first.file, "r+b") as file:
        file.seek(audio.data_offset + 3 * (len(old) - 480))
        file.write(bytes([1, 2, 3]) * 480)
    with pytest.raises(RequestError, match="as much longer as is added"):
        run(extended(job, first.file))


def test_latents_that_go_on_are_those_that_were_kept_or_are_made_again_over_their_own_picture(
    run: Run, make_job: JobMaker, engine: LatentEngine, tmp_path: Path
) -> None:
    job = make_job()
    [first] = run(shorter(job))
    run(extended(job, first.file))
    shutil.rmtree(tmp_path / "cache")
    run(extended(job, first.file))
    made, stored, again, lost = engine.batches
    assert again.picture == made.picture == shorter(job).media
    for batch in (stored, lost):
        assert batch.picture == job.media
        extends = batch.requests[0].extends
        assert extends is not None
        assert extends.base == made.requests[0]
        assert extends.base_latents is not None
        assert len(extends.base_latents) == shorter(job).output.num_samples


def test_an_extended_take_can_be_redone_from_its_recipe(
    run: Run, make_job: JobMaker, engine: LatentEngine, tmp_path: Path
) -> None:
    job = make_job()
    [first] = run(shorter(job))
    [longer] = run(extended(job, first.file))
    shutil.rmtree(tmp_path / "cache")
    [again] = run(redo_of(job, longer.file, start=HEAD, end=HEAD + 100, seed=9))
    recipe = StemRecipe.parse(read_stem_file(Path(again.file)).provenance, name="again")
    extension, stretch = recipe.stretches
    assert isinstance(extension, RecipeExtension)
    assert (extension.head_s, extension.tail_s) == (Fraction(HEAD, 48_000), Fraction(TAIL, 48_000))
    assert (extension.seed, stretch.seed) == (8, 9)
    assert recipe.picture == replace(job.media, path=Path(job.media.path.name))
    *_, earliest, last = engine.batches
    assert (earliest.picture, last.picture) == (shorter(job).media, job.media)
    redo = last.requests[0].redo
    assert redo is not None
    assert redo.base.extends is not None
    assert redo.base.extends.base_latents is not None


def test_an_extension_that_does_not_fit_the_job_is_refused(run: Run, make_job: JobMaker) -> None:
    job = make_job()
    [first] = run(shorter(job))
    with pytest.raises(RequestError, match="picture range"):
        run(extended(job, first.file, extend_head_samples=HEAD - 48, extend_tail_samples=TAIL + 48))
    longer = msgspec.structs.replace(job.output, num_samples=job.output.num_samples + 1)
    with pytest.raises(RequestError, match="as much longer as is added"):
        run(extended(msgspec.structs.replace(job, output=longer), first.file))


def test_an_extension_goes_over_the_wire_and_back(make_job: JobMaker, tmp_path: Path) -> None:
    job = extended(make_job(), tmp_path / "a.wav")
    assert parse_job(job.to_wire()) == job
    sent = job.to_wire()["cues"][0]["takes"][0]["redo"]
    assert sent == {"file": str(tmp_path / "a.wav"), "extend_head_samples": HEAD, "extend_tail_samples": TAIL}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"start_sample": 1},
        {"end_sample": 5},
        {"start_sample": 1, "end_sample": 5, "extend_tail_samples": 5},
        {"extend_tail_samples": 19_200},
        {"extend_head_samples": -1},
    ],
)
def test_neither_a_stretch_nor_an_extension_is_refused(
    make_job: JobMaker, tmp_path: Path, fields: dict[str, int]
) -> None:
    job = redo_of(make_job(), tmp_path / "a.wav").to_wire()
    job["cues"][0]["takes"][0]["redo"] = {"file": str(tmp_path / "a.wav"), **fields}
    with pytest.raises(InvalidRequestError, match="redo"):
        parse_job(job)
