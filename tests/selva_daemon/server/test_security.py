"""Strangers, eavesdroppers, replays, floods and nonsense: the daemon stays up and serves the honest."""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import msgpack
import psutil
import pytest
import zmq
from msgspec.structs import replace

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.envelope import MAX_MESSAGE_BYTES, Envelope, pack, parse
from selva_daemon.protocol.errors import (
    DaemonRefusedError,
    ReplayedRequestError,
    UnknownRequestError,
    from_wire,
)
from selva_daemon.protocol.keys import KeyPair
from tests.support.daemons import JobMaker, answer, hello, raw_dealer, wait_until


class Tap:
    """A TCP proxy that keeps what passes from the client to the daemon."""

    def __init__(self, endpoint: str) -> None:
        host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.recorded = b""
        self._threads = [threading.Thread(target=self._accept, name="tap")]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            daemon = socket.create_connection(self._target)
            for source, sink, keep in ((client, daemon, True), (daemon, client, False)):
                thread = threading.Thread(target=self._copy, args=(source, sink, keep), name="tap copy")
                self._threads.append(thread)
                thread.start()

    def _copy(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        try:
            while block := source.recv(65536):
                if keep:
                    self.recorded += block
                sink.sendall(block)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
            source.close()


@pytest.fixture
def tapped(client: Client, paths: AppPaths) -> Iterator[tuple[Tap, Client]]:
    """A second client whose job channel goes through a tap."""
    connection = read_connection(paths.connection_file)
    tap = Tap(connection.jobs)
    replace(connection, jobs=tap.endpoint).write(paths.connection_file)
    with Client.connect(paths=paths) as through_tap:
        yield tap, through_tap
    tap.close()


def test_an_eavesdropper_sees_the_handshake_and_no_prompt(
    tapped: tuple[Tap, Client], make_job: JobMaker
) -> None:
    tap, client = tapped
    client.submit(make_job(prompts=("a very secret creature",)))
    assert b"CURVE" in tap.recorded  # the tap does record
    assert len(tap.recorded) > 500
    assert b"secret" not in tap.recorded
    assert b"boots" not in tap.recorded


def test_a_recorded_conversation_played_again_does_nothing(
    tapped: tuple[Tap, Client], client: Client, make_job: JobMaker
) -> None:
    tap, through_tap = tapped
    client.pause()
    through_tap.submit(make_job())
    host, _, port = client.status().endpoints["jobs"].removeprefix("tcp://").rpartition(":")
    for _ in range(3):
        with socket.create_connection((host, int(port))) as replayer:
            replayer.sendall(tap.recorded)
            replayer.settimeout(0.2)
            try:
                while replayer.recv(4096):
                    pass
            except TimeoutError:
                pass
    assert client.status().queue["queued"] == 1


def test_a_client_with_an_unknown_key_gets_an_error_that_says_so_and_one_with_the_right_key_is_served(
    client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    replace(connection, client=KeyPair.generate()).write(paths.connection_file)
    with pytest.raises(DaemonRefusedError, match="does not accept the keys"):
        Client.connect(paths=paths, timeout_s=10)
    connection.write(paths.connection_file)
    with Client.connect(paths=paths) as served:
        assert served.daemon.client == "owner"


def test_a_client_that_expects_another_daemon_does_not_talk_to_this_one(
    client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    replace(connection, server_key=KeyPair.generate().public).write(paths.connection_file)
    with pytest.raises(DaemonRefusedError):
        Client.connect(paths=paths, timeout_s=20)
    connection.write(paths.connection_file)


@pytest.mark.parametrize("channel", ["jobs", "control"])
def test_a_peer_without_keys_gets_no_answer_and_one_with_keys_does(
    channel: str, client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    with raw_dealer(connection, channel=channel, keys=None) as stranger:
        # A daemon that has refused the handshake already has left no connection to send on: sending would wait for ever.
        with suppress(zmq.Again):
            stranger.send(hello(), zmq.DONTWAIT)
        assert answer(stranger, timeout_ms=500) is None
    with raw_dealer(connection, channel=channel, keys=connection.client) as known:
        known.send(hello())
        assert answer(known) is not None


def test_a_subscriber_without_keys_receives_no_events(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stranger = context.socket(zmq.SUB)
    stranger.subscribe(b"")
    stranger.connect(connection.events)
    try:
        client.wait(client.submit(make_job()).job_id, timeout_s=60)
        assert not stranger.poll(200)
    finally:
        context.destroy(linger=0)


def test_a_request_sent_twice_is_answered_once(client: Client, paths: AppPaths) -> None:
    connection = read_connection(paths.connection_file)
    with raw_dealer(connection, channel="control", keys=connection.client) as dealer:
        message = hello(request_id="one", session="replayer")
        dealer.send(message)
        dealer.send(message)
        first, second = answer(dealer), answer(dealer)
    assert first is not None
    assert first.type == "reply"
    assert second is not None
    assert isinstance(from_wire(second.body), ReplayedRequestError)


def test_a_submission_sent_twice_is_queued_once_and_answered_alike(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    connection = read_connection(paths.connection_file)
    request = Envelope(type="submit", request_id="one", session="again", body=make_job().to_wire())
    with raw_dealer(connection, keys=connection.client) as dealer:
        answers = []
        for _ in range(2):
            dealer.send(pack(request))
            reply = answer(dealer)
            assert reply is not None
            answers.append(reply.body)
    assert answers[0]["job_id"] == answers[1]["job_id"]
    assert [reply["created"] for reply in answers] == [True, False]


def test_a_control_request_on_the_job_channel_is_refused_with_what_is_known_there(
    client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    with raw_dealer(connection, keys=connection.client) as dealer:
        dealer.send(pack(Envelope(type="shutdown", request_id="x", session="s")))
        reply = answer(dealer)
    assert reply is not None
    error = from_wire(reply.body)
    assert isinstance(error, UnknownRequestError)
    assert "submit" in error.message


def nonsense(chance: random.Random) -> list[bytes]:
    """One message that no client of ours would send."""
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    good = {"protocol": 1, "type": "job", "request_id": "r", "session": "s", "time_s": 0.0, "body": {}}
    name = chance.choice(sorted(good))
    wrong: object = chance.choice([None, [], {}, -1, 2**63, "x" * 100, True, 1.5])
    return chance.choice(
        [
            [chance.randbytes(chance.randrange(1, 400))],
            [b""],
            [b"", b""],
            [msgpack.packb(good)] * chance.randrange(2, 20),
            [msgpack.packb(good)[: chance.randrange(1, 60)]],
            [msgpack.packb({**good, name: wrong})],
            [msgpack.packb({**good, "body": {"job_id": deep}})],
            [msgpack.packb({**good, "type": "submit", "body": {"cues": [{}] * 300, "media": wrong}})],
            [msgpack.packb({**good, "body": {str(index): index for index in range(2_000)}})],
            [msgpack.packb(chance.choice([1, "hello", [good], None]))],
            [b"\xdd\xff\xff\xff\xff"],
            [b"\x81\xa1a" * 5_000],
        ]
    )


@pytest.mark.parametrize(
    "count", [3_000, pytest.param(100_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_malformed_messages_are_refused_while_other_clients_are_served_and_memory_does_not_grow(
    count: int, client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    chance = random.Random(count)  # noqa: S311 - variety, not secrets
    connection = read_connection(paths.connection_file)
    process = psutil.Process()
    with raw_dealer(connection, keys=connection.client) as dealer:
        dealer.sndtimeo = 20_000
        before_bytes = 0
        for index in range(count):
            dealer.send_multipart(nonsense(chance))
            while dealer.poll(0):
                assert parse(dealer.recv_multipart()).type == "error"
            if index == count // 3:
                before_bytes = process.memory_info().rss
        dealer.send(hello())
        while (reply := answer(dealer)) is not None and reply.type != "reply":
            assert reply.type == "error"
        assert reply is not None
        assert process.memory_info().rss - before_bytes < 30 << 20
    assert client.wait(client.submit(make_job()).job_id, timeout_s=60).state == "done"


def test_a_message_over_the_limit_costs_its_sender_the_connection_and_no_other_client(
    client: Client, paths: AppPaths
) -> None:
    connection = read_connection(paths.connection_file)
    with raw_dealer(connection, keys=connection.client) as dealer:
        dealer.send(b"\x00" * (MAX_MESSAGE_BYTES + 1))
        assert answer(dealer, timeout_ms=300) is None
    assert client.status().queue["queued"] == 0


def test_a_flood_of_connections_from_strangers_does_not_keep_clients_out(
    client: Client, paths: AppPaths
) -> None:
    host, _, port = read_connection(paths.connection_file).jobs.removeprefix("tcp://").rpartition(":")
    strangers = []
    try:
        for index in range(200):
            stranger = socket.create_connection((host, int(port)))
            stranger.sendall(b"\xff" + b"\x00" * 8 + b"\x7f\x03\x00" if index % 2 else os.urandom(100))
            strangers.append(stranger)
        with Client.connect(paths=paths) as honest:
            assert honest.status().draining is False
    finally:
        for stranger in strangers:
            stranger.close()


def test_nothing_listens_beyond_loopback(client: Client) -> None:
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 3
    assert set(listening) == {"127.0.0.1"}


def test_fifty_subscribers_follow_a_job_to_its_end(
    client: Client, paths: AppPaths, make_job: JobMaker
) -> None:
    connection = read_connection(paths.connection_file)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    client.pause()
    job_id = client.submit(make_job()).job_id
    subscribers = []
    try:
        for _ in range(50):
            subscriber = context.socket(zmq.SUB)
            subscriber.curve_serverkey = connection.server_key.encode()
            subscriber.curve_publickey = connection.client.public.encode()
            subscriber.curve_secretkey = connection.client.secret.encode()
            subscriber.subscribe(f"job.{job_id}".encode())
            subscriber.connect(connection.events)
            subscribers.append(subscriber)
        last_states = ["" for _ in subscribers]

        def states_are(count: int, until: Callable[[str], bool]) -> bool:
            for index, subscriber in enumerate(subscribers):
                while subscriber.poll(0):
                    last_states[index] = parse([subscriber.recv_multipart()[1]]).body["state"]
            return sum(until(state) for state in last_states) == count

        wait_until(
            lambda: states_are(50, lambda state: state == "queued"), "the present state for each subscriber"
        )
        client.resume()
        wait_until(
            lambda: states_are(50, lambda state: state == "done"), "the end of the job for each subscriber"
        )
    finally:
        context.destroy(linger=0)
