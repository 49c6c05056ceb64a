"""A job from submission to files on disk, through real sockets and a real worker."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest
import soundfile
from msgspec import UNSET
from msgspec.structs import replace

from selva_core.base.errors import MediaNotFoundError, RenderCancelled
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import InvalidRequestError, JobStateError, UnknownJobError
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import StemResult
from tests.support.daemons import JobMaker


def finished_stems(client: Client, request: JobRequest) -> tuple[StemResult, ...]:
    return client.wait(client.submit(request).job_id, timeout_s=60).raise_for_state().stems


def test_each_take_of_each_cue_becomes_a_file_of_the_exact_length(client: Client, make_job: JobMaker) -> None:
    request = make_job(prompts=("boots", "a dog"), num_takes=2)
    stems = finished_stems(client, request)
    assert [(stem.cue, stem.take, stem.seed) for stem in stems] == [
        ("cue-1", 1, 1),
        ("cue-1", 2, 2),
        ("cue-2", 1, 1),
        ("cue-2", 2, 2),
    ]
    for stem in stems:
        found = soundfile.info(stem.file)
        assert (found.frames, found.samplerate, found.subtype) == (19_200, 48_000, "PCM_24")
    assert len({Path(stem.file).read_bytes() for stem in stems}) == 4


def test_the_same_request_gives_the_same_file_from_the_cache(client: Client, make_job: JobMaker) -> None:
    (first,) = finished_stems(client, make_job())
    before = Path(first.file).read_bytes()
    (second,) = finished_stems(client, make_job())
    assert (first.cached, second.cached) == (False, True)
    assert second.file == first.file
    assert Path(second.file).read_bytes() == before


def test_one_changed_prompt_is_the_only_one_computed_again(client: Client, make_job: JobMaker) -> None:
    finished_stems(client, make_job(prompts=("boots", "a dog")))
    stems = finished_stems(client, make_job(prompts=("boots", "a cat")))
    assert [stem.cached for stem in stems] == [True, False]


def test_another_length_of_the_same_sound_never_replaces_the_first_file(
    client: Client, make_job: JobMaker
) -> None:
    request = make_job()
    (first,) = finished_stems(client, request)
    longer = replace(request, output=replace(request.output, num_samples=24_000))
    (second,) = finished_stems(client, longer)
    assert second.cached
    assert second.file != first.file
    assert soundfile.info(first.file).frames == 19_200
    assert soundfile.info(second.file).frames == 24_000


def test_a_stem_that_was_edited_stays_and_the_new_one_gets_a_number(
    client: Client, make_job: JobMaker
) -> None:
    (first,) = finished_stems(client, make_job())
    Path(first.file).write_bytes(b"edited by hand")
    (second,) = finished_stems(client, make_job())
    assert Path(first.file).read_bytes() == b"edited by hand"
    assert Path(second.file).name == f"{Path(first.file).stem}_2.wav"


def test_events_go_from_the_present_state_to_the_finished_one_in_order(
    client: Client, make_job: JobMaker
) -> None:
    submitted = client.submit(make_job())
    seen = list(client.events(submitted.job_id, timeout_s=60))
    assert seen[-1].state == "done"
    sequences = [status.sequence for status in seen]
    assert sequences == sorted(set(sequences))
    fractions = [status.fraction for status in seen]
    assert fractions == sorted(fractions)
    assert {"loading", "picture", "sampling"} <= {status.stage for status in seen}


def test_loading_says_what_is_loaded_and_no_other_stage_does(client: Client, make_job: JobMaker) -> None:
    seen = list(client.events(client.submit(make_job()).job_id, timeout_s=60))
    parts = {(status.stage, status.part) for status in seen if status.part is not UNSET}
    assert {("loading", "weights"), ("loading", "media")} >= parts
    assert ("loading", "media") in parts


def test_events_of_a_finished_job_are_its_last_state(client: Client, make_job: JobMaker) -> None:
    job_id = client.submit(make_job()).job_id
    client.wait(job_id, timeout_s=60)
    assert [status.state for status in client.events(job_id, timeout_s=10)] == ["done"]


def test_a_missing_picture_fails_its_job_and_no_other(
    client: Client, make_job: JobMaker, tmp_path: Path
) -> None:
    bad = client.submit(make_job(media=tmp_path / "gone.mov")).job_id
    good = client.submit(make_job()).job_id
    failed = client.wait(bad, timeout_s=60)
    assert isinstance(failed.error, MediaNotFoundError)
    assert "gone.mov" in failed.error.message
    with pytest.raises(MediaNotFoundError):
        failed.raise_for_state()
    assert client.wait(good, timeout_s=60).state == "done"


def test_a_running_job_is_cancelled_within_a_step_and_leaves_no_file(
    client: Client, make_job: JobMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.release_device()  # the next worker is started with a slow engine
    monkeypatch.setenv("SELVA_ECHO_STEP_DELAY_S", "0.2")
    client.resume()
    job_id = client.submit(make_job()).job_id
    states = []
    for status in client.events(job_id, timeout_s=60):
        states.append(status)
        if status.stage == "sampling":
            client.cancel(job_id)
    last = states[-1]
    assert last.state == "cancelled"
    assert last.step <= 3
    assert isinstance(last.error, RenderCancelled)
    assert not list((tmp_path / "stems").iterdir())


def test_a_waiting_job_is_cancelled_immediately(client: Client, make_job: JobMaker) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    assert client.cancel(job_id) == {job_id: "cancelled"}
    assert client.cancel(job_id) == {job_id: "cancelled"}


def test_a_cancelled_job_can_be_tried_again_and_a_waiting_one_cannot(
    client: Client, make_job: JobMaker
) -> None:
    client.pause()
    job_id = client.submit(make_job()).job_id
    with pytest.raises(JobStateError, match="queued"):
        client.retry(job_id)
    client.cancel(job_id)
    assert client.retry(job_id).state == "queued"
    client.resume()
    assert client.wait(job_id, timeout_s=60).state == "done"


def test_wrong_fields_are_named_and_nothing_is_queued(client: Client, make_job: JobMaker) -> None:
    request = make_job()
    wrong = replace(
        request,
        label="",
        media=dataclasses.replace(request.media, path=Path("relative.mov")),
        cues=(replace(request.cues[0], prompt="  "),),
    )
    with pytest.raises(InvalidRequestError) as caught:
        client.submit(wrong)
    assert {fault.field for fault in caught.value.fields} == {"label", "media.path", "cues[0].prompt"}
    assert client.jobs() == []


def test_an_unknown_model_is_refused_before_the_job_is_queued(client: Client, make_job: JobMaker) -> None:
    with pytest.raises(InvalidRequestError, match="selva-nano") as caught:
        client.submit(make_job(model="selva-huge"))
    assert [fault.field for fault in caught.value.fields] == ["model"]


def test_a_model_that_is_not_for_paid_work_is_refused_where_the_setting_says_so(
    client: Client, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequestError, match="is not installed"):
        client.submit(make_job(model="selva-large-44k"))
    monkeypatch.setenv("SELVA_ONLY_COMMERCIAL_MODELS", "true")
    with pytest.raises(InvalidRequestError, match="not for paid work") as caught:
        client.submit(make_job(model="selva-large-44k"))
    assert [fault.field for fault in caught.value.fields] == ["model"]
    assert client.submit(make_job(model="selva-echo")).job_id


def test_an_unknown_job_is_an_error_that_names_it(client: Client) -> None:
    with pytest.raises(UnknownJobError, match="no job 'nonesuch'"):
        client.job("nonesuch")


def test_the_list_shows_jobs_by_state_and_clear_forgets_the_finished(
    client: Client, make_job: JobMaker
) -> None:
    done = client.submit(make_job(label="first")).job_id
    client.wait(done, timeout_s=60)
    client.pause()
    waiting = client.submit(make_job(label="second", seed=2)).job_id
    assert [job.job_id for job in client.jobs()] == [done, waiting]
    assert [job.label for job in client.jobs(states=["queued"])] == ["second"]
    assert client.clear() == 1
    assert [job.job_id for job in client.jobs()] == [waiting]


def test_moving_jobs_first_changes_their_positions(client: Client, make_job: JobMaker) -> None:
    client.pause()
    a, b, c = (client.submit(make_job(seed=seed)).job_id for seed in (1, 2, 3))
    assert client.move(c, b, to="first") == {c: 1, b: 2}
    assert client.job(a).position == 3
    assert client.move(c, to="last") == {c: 3}


def test_status_names_endpoints_processes_and_queue(client: Client, make_job: JobMaker) -> None:
    client.wait(client.submit(make_job()).job_id, timeout_s=60)
    status = client.status()
    assert all(endpoint.startswith("tcp://127.0.0.1:") for endpoint in status.endpoints.values())
    assert [process.role for process in status.processes] == ["server", "worker"]
    assert status.queue["done"] == 1
    assert status.models[0].model == "selva-echo"
    assert "Test signal" in status.models[0].notices[0]


@pytest.mark.skipif(sys.platform == "win32", reason="names are UTF-16 there")
def test_a_media_name_that_is_no_text_is_refused_and_the_next_job_is_done(
    client: Client, make_job: JobMaker, clip: Path, tmp_path: Path
) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/cl\xffip.mp4"))
    for job in (make_job(media=odd), make_job(folder=odd)):
        with pytest.raises(InvalidRequestError, match=r"cl\\udcffip\.mp4.* rename the file") as caught:
            client.submit(job)
        assert caught.value.message.isascii()
    named = tmp_path / "clé 犬.mp4"
    named.write_bytes(clip.read_bytes())
    assert len(finished_stems(client, make_job(media=named))) == 1
