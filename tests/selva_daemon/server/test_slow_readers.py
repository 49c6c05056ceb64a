"""What clients that do not read, or subscribe without end, cost the daemon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import zmq

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.jobs import events
from selva_daemon.jobs.events import MAX_EVENT_BYTES, EventPublisher
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.envelope import parse
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_daemon.server.logs import REPEAT_S, RepeatedWarning
from selva_daemon.server.reply_sender import SMALL_REPLY_BYTES, ReplySender
from tests.support.daemons import JobMaker, wait_until

OpenSocket = Callable[[int], zmq.Socket[bytes]]


@pytest.fixture
def open_socket() -> Iterator[OpenSocket]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    opened: list[zmq.Socket[bytes]] = []

    def open_one(kind: int) -> zmq.Socket[bytes]:
        opened.append(context.socket(kind))
        return opened[-1]

    yield open_one
    for socket in opened:
        socket.close(linger=0)
    context.term()


def test_replies_that_nobody_reads_are_dropped_at_a_number_of_bytes_and_others_are_served(
    open_socket: OpenSocket,
) -> None:
    router = open_socket(zmq.ROUTER)
    router.sndhwm = 1000
    port = router.bind_to_random_port("tcp://127.0.0.1")
    deaf, reader = open_socket(zmq.DEALER), open_socket(zmq.DEALER)
    deaf.rcvhwm = 1
    for dealer, name in ((deaf, b"deaf"), (reader, b"reader")):
        dealer.routing_id = name
        dealer.connect(f"tcp://127.0.0.1:{port}")
        dealer.send(b"hello")
        router.recv_multipart()
    sender = ReplySender(max_unread_bytes=8 << 20)
    reply = bytes(1 << 20)
    sent = [sender.send(router, b"deaf", reply, client="deaf") for _ in range(60)]
    assert sent[0]
    assert not sent[-1]  # what fits into the system's own buffers comes on top of 8 MiB
    for _ in range(60):
        assert sender.send(router, b"reader", reply, client="reader")
        assert reader.recv() == reply
    assert sender.send(router, b"deaf", bytes(SMALL_REPLY_BYTES), client="deaf")


def big_status(num_stems: int) -> JobStatus:
    stem = StemResult(
        cue="cue 1",
        track="Boots",
        take=1,
        seed=1,
        file="/cut/stems/" + "x" * 150,
        sample_rate_hz=48_000,
        num_samples=1,
        cached=False,
        warnings=("a warning " * 20,),
    )
    return JobStatus(
        job_id="0123456789abcdef",
        label="big",
        model="selva-echo",
        priority="interactive",
        state="done",
        num_stems=num_stems,
        sequence=1,
        submitted_s=0.0,
        started_s=0.0,
        finished_s=0.0,
        stage="",
        step=0,
        num_steps=0,
        fraction=1.0,
        position=0,
        seconds_left=None,
        attempts=1,
        error=None,
        stems=(stem,) * num_stems,
    )


@pytest.mark.parametrize(("num_stems", "stems_reported"), [(3, 3), (512, 0)])
def test_the_event_of_a_large_job_goes_without_its_stems(
    num_stems: int, stems_reported: int, open_socket: OpenSocket
) -> None:
    publisher, subscriber = open_socket(zmq.XPUB), open_socket(zmq.SUB)
    publisher.bind("inproc://events")
    subscriber.connect("inproc://events")
    subscriber.subscribe(b"")
    events_of = EventPublisher(publisher, session="s")
    assert events_of.next_subscription() == ""
    events_of.publish_job(big_status(num_stems))
    _, packed = subscriber.recv_multipart()
    assert len(packed) <= MAX_EVENT_BYTES
    assert len(parse([packed]).body["stems"]) == stems_reported
    assert parse([packed]).body["num_stems"] == num_stems


def test_a_watch_asks_for_the_stems_that_an_event_had_no_room_for(
    client: Client, make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 300)
    client.pause()
    job_id = client.submit(make_job(num_takes=2)).job_id
    statuses = client.watch([job_id], timeout_s=60)
    next(statuses)
    client.resume()
    assert [len(status.stems) for status in statuses][-1] == 2


def test_subscribers_who_take_too_many_topics_must_connect_anew_and_the_honest_hear_on(
    client: Client,
    paths: AppPaths,
    make_job: JobMaker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(events, "MAX_TOPICS", 50)
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        greedy = context.socket(zmq.SUB)
        greedy.curve_serverkey = connection.server_key.encode()
        greedy.curve_publickey = connection.client.public.encode()
        greedy.curve_secretkey = connection.client.secret.encode()
        for number in range(200):
            greedy.subscribe(f"job.{number}")
        greedy.connect(connection.events)
        wait_until(lambda: "too many subscriptions" in caplog.text, "the refusal")
        greedy.close(linger=0)
        assert client.wait(client.submit(make_job()).job_id, timeout_s=60).state == "done"
    finally:
        context.destroy(linger=0)


def test_a_topic_longer_than_any_of_ours_costs_its_subscriber_the_connection(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        greedy = context.socket(zmq.SUB)
        monitor = greedy.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        greedy.curve_serverkey = connection.server_key.encode()
        greedy.curve_publickey = connection.client.public.encode()
        greedy.curve_secretkey = connection.client.secret.encode()
        greedy.subscribe(b"x" * 100_000)
        greedy.connect(connection.events)
        assert monitor.poll(10_000)
        greedy.disable_monitor()
        monitor.close(linger=0)
        assert client.wait(client.submit(make_job()).job_id, timeout_s=60).state == "done"
    finally:
        context.destroy(linger=0)


def test_what_happens_again_and_again_is_logged_once_a_minute_with_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now_s = [0.0]
    warning = RepeatedWarning(logging.getLogger("repeated"), clock=lambda: now_s[0])
    for _ in range(1000):
        warning.add("refused")
    warning.add("another")
    now_s[0] = REPEAT_S
    warning.add("refused")
    assert [record.getMessage() for record in caplog.records] == [
        "refused",
        "another",
        "refused (and 999 times in the last minutes)",
    ]
