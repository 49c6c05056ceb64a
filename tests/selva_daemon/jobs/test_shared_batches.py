"""Waiting jobs of one length share batches; what each makes, and how each ends, is as if it were alone."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from selva_core.base.errors import MediaUnreadableError, OutOfMemoryError, RequestError, SelvaError
from selva_core.base.paths import AppPaths
from selva_core.engine import BatchRequest, Engine, SamplingSettings, Waveform
from selva_core.engines.echo import EchoEngine
from selva_daemon.client.client import Client
from selva_daemon.protocol.job import JobRequest
from selva_daemon.worker.blob_store import BlobStore
from selva_daemon.worker.job_context import JobContext, OutputRules
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.rendering import JobRenderer, PreparedJob
from selva_daemon.worker.stem_cache import StemCache
from tests.support.daemons import JobMaker, StartServer, kill_hard, wait_until


@pytest.fixture
def batching_client(
    paths: AppPaths, start_server: StartServer, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    """A client of a daemon whose model is loaded and renders up to four jobs in one batch, each step taking a moment;
    jobs wait until it is resumed.
    """
    monkeypatch.setenv("SELVA_ECHO_PICTURES_TOGETHER", "4")
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.04")
    start_server()
    with Client.connect(paths=paths) as client:
        client.wait(client.submit(make_job(seed=1000)).job_id, timeout_s=60)
        client.pause()
        yield client


def running_now(client: Client) -> list[str]:
    return list(client.status().processes[1].job_ids)


def test_jobs_of_one_length_run_in_one_batch_and_make_the_files_they_make_alone(
    batching_client: Client, paths: AppPaths, make_job: JobMaker, tmp_path: Path
) -> None:
    requests = [make_job(seed=seed, num_takes=2, folder=tmp_path / "batched") for seed in (1, 10, 20)]
    job_ids = [batching_client.submit(request).job_id for request in requests]
    batching_client.resume()
    wait_until(lambda: running_now(batching_client) == job_ids, "three jobs to run")
    assert {status.state for status in map(batching_client.wait, job_ids)} == {"done"}
    assert [batching_client.job(job_id).attempts for job_id in job_ids] == [1, 1, 1]
    for blob in paths.stem_cache.glob("??/*"):
        blob.unlink()
    for seed in (1, 10, 20):
        batching_client.wait(
            batching_client.submit(make_job(seed=seed, num_takes=2, folder=tmp_path / "alone")).job_id,
            timeout_s=60,
        )
    batched, alone = (
        {file.name: file.read_bytes() for file in (tmp_path / folder).iterdir()}
        for folder in ("batched", "alone")
    )
    assert len(batched) == 6
    assert batched == alone


def test_a_cancelled_job_leaves_its_batch_immediately_and_the_others_go_on(
    batching_client: Client, make_job: JobMaker, tmp_path: Path
) -> None:
    job_ids = [batching_client.submit(make_job(seed=seed)).job_id for seed in range(3)]
    batching_client.resume()
    wait_until(lambda: batching_client.job(job_ids[1]).stage == "sampling", "the jobs to be in the middle")
    batching_client.cancel(job_ids[1])
    assert batching_client.wait(job_ids[1], timeout_s=60).state == "cancelled"
    assert [batching_client.job(job_id).state for job_id in (job_ids[0], job_ids[2])] == [
        "running",
        "running",
    ]
    assert [batching_client.wait(job_id, timeout_s=60).state for job_id in job_ids] == [
        "done",
        "cancelled",
        "done",
    ]
    assert len(list((tmp_path / "stems").iterdir())) == 3  # one is of the job that loaded the model


def test_a_job_without_its_picture_fails_alone(batching_client: Client, make_job: JobMaker) -> None:
    job_ids = [
        batching_client.submit(make_job(seed=1)).job_id,
        batching_client.submit(make_job(seed=2, media=Path("/gone.mp4").absolute())).job_id,
        batching_client.submit(make_job(seed=3)).job_id,
    ]
    batching_client.resume()
    ends = [batching_client.wait(job_id, timeout_s=60) for job_id in job_ids]
    assert [end.state for end in ends] == ["done", "failed", "done"]
    assert ends[1].error is not None
    assert ends[1].error.code == "media-not-found"


def test_jobs_whose_worker_died_are_rendered_one_by_one(batching_client: Client, make_job: JobMaker) -> None:
    job_ids = [batching_client.submit(make_job(seed=seed)).job_id for seed in range(2)]
    batching_client.resume()
    wait_until(lambda: running_now(batching_client) == job_ids, "both jobs to run")
    kill_hard(batching_client.status().processes[1].pid or 0)
    wait_until(lambda: running_now(batching_client) != job_ids, "the death to be noticed")
    seen = set()
    for status in batching_client.watch(job_ids, timeout_s=60):
        seen.add(len(running_now(batching_client)))
        last = status
    assert last.state == "done"
    assert [batching_client.job(job_id).attempts for job_id in job_ids] == [2, 2]
    assert 2 not in seen


class OneAtATime(EchoEngine):
    """Refuses more than one picture in a batch, as a device without room, or a fault, would."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error
        self.calls: list[int] = []

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        self.calls.append(len(requests))
        if len(requests) > 1 or "cursed" in requests[0].requests[0].prompt:
            raise self._error
        return super().render_batch(requests, settings=settings)


class OneEngine:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def engine_for(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> Engine:
        return self._engine

    def info_of(self, model_id: str, *, precision: str, on_load: Callable[[], object]) -> ModelInfo:
        return ModelInfo.of(self._engine)


@contextmanager
def prepared(
    engine: Engine, jobs: Sequence[JobRequest], cache: Path
) -> Iterator[tuple[JobRenderer, list[PreparedJob]]]:
    def never_written(*_: object, **__: object) -> None:
        pytest.fail("nothing is written here")

    renderer = JobRenderer(
        engines=OneEngine(engine),
        cache=StemCache(BlobStore(cache, max_bytes=1 << 20)),
        write_stem=never_written,  # type: ignore[arg-type]
        output_rules=OutputRules(allowed=(), forbidden=()),
    )
    contexts = [
        JobContext(
            job_id=job.label, job=job, on_progress=lambda progress, part="": None, is_cancelled=lambda: False
        )
        for job in jobs
    ]
    yield renderer, [renderer.prepare(context) for context in contexts]


@pytest.mark.parametrize("error", [OutOfMemoryError("no room"), ValueError("a fault")])
def test_a_failed_batch_is_rendered_job_by_job_and_the_error_stays_with_its_job(
    make_job: JobMaker, tmp_path: Path, error: Exception
) -> None:
    engine = OneAtATime(error)
    jobs = [make_job(label="a"), make_job(label="b", prompts=["cursed"]), make_job(label="c", seed=2)]
    with prepared(engine, jobs, tmp_path / "cache") as (renderer, ready):
        first, second, third = renderer.render(ready)
    assert second is error
    assert isinstance(first, dict)
    assert isinstance(third, dict)
    assert engine.calls == [3, 1, 1, 1]


def test_a_cached_job_does_not_reach_the_engine_and_the_rest_of_its_batch_does(
    make_job: JobMaker, tmp_path: Path
) -> None:
    engine = OneAtATime(RequestError("only one"))
    known, new = make_job(label="known"), make_job(label="new", seed=5)
    with prepared(engine, [known], tmp_path / "cache") as (renderer, ready):
        renderer.render(ready)
    with prepared(engine, [known, new], tmp_path / "cache") as (renderer, ready):
        nothing, made = renderer.render(ready)
    assert nothing == {}
    assert isinstance(made, dict)
    assert engine.calls == [1, 1]


class Overwriting(EchoEngine):
    """While it renders, another program writes over the media, and puts the old time of modification back."""

    media: Path | None = None

    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        outcomes = super().render_batch(requests, settings=settings)
        if self.media is not None:
            status = self.media.stat()
            with self.media.open("r+b") as stream:
                end = stream.read()[-4:]
                stream.seek(-4, os.SEEK_END)
                stream.write(end)
            os.utime(self.media, ns=(status.st_atime_ns, status.st_mtime_ns))
        return outcomes


@pytest.mark.skipif(
    sys.platform == "win32", reason="the time of a change of the file's facts is not told there"
)
def test_a_job_whose_media_is_changed_while_it_runs_fails_and_nothing_of_it_is_cached(
    make_job: JobMaker, clip: Path, tmp_path: Path
) -> None:
    engine, media = Overwriting(), tmp_path / "clip.mp4"
    shutil.copyfile(clip, media)
    job = make_job(label="changed", media=media)
    cache = tmp_path / "cache"
    with prepared(engine, [job], cache) as (renderer, ready):
        engine.media = media
        [error] = renderer.render(ready)
    assert isinstance(error, MediaUnreadableError)
    assert str(media) in str(error)
    assert list(cache.glob("??/*")) == []
    engine.media = None
    with prepared(engine, [job], cache) as (renderer, ready):
        [made] = renderer.render(ready)
    assert isinstance(made, dict)
    assert len(list(cache.glob("??/*"))) == 1
