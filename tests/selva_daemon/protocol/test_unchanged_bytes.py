"""Every message is, byte for byte, what version 0.1.0 sent: requests, replies, events and errors. Fields and request types that
came later are passed over, as its clients do; and so is how many bytes say the length of a map, which every reader of MessagePack
takes in each of its forms: the library writes the longer one for each type that can have more than 15 fields.

`tests/data/protocol/conversation.json` was recorded with 0.1.0: what its client sent, and a conversation with its daemon in which
the clock, the ids and the worker were scripted. Here the same script runs against the present code.
"""

from __future__ import annotations

import json
import re
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import msgpack
import pytest
import zmq

import selva_core
from selva_core.base.errors import SelvaError
from selva_core.base.media import ImageSequence, Label, PictureRange
from selva_core.base.paths import AppPaths
from selva_daemon.jobs import queue as queue_module
from selva_daemon.jobs.dispatcher import Dispatcher
from selva_daemon.jobs.events import EventPublisher
from selva_daemon.jobs.queue import JobQueue
from selva_daemon.jobs.scheduling import FairScheduler
from selva_daemon.jobs.supervisor import Outcome, Supervisor, WorkerState
from selva_daemon.protocol import requests
from selva_daemon.protocol.body import read_reply, reply_decode_hook
from selva_daemon.protocol.envelope import MAX_REPLY_BYTES, Envelope, pack, parse
from selva_daemon.protocol.errors import from_wire, to_wire
from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, SignerFiles, TakeRequest
from selva_daemon.protocol.requests import Request
from selva_daemon.protocol.status import LoadedModel, ProcessStatus, StemResult
from selva_daemon.protocol.worker_link import JobDone, JobFailed, JobProgressed
from selva_daemon.server import handlers as handlers_module
from selva_daemon.server.handlers import RequestHandlers
from selva_daemon.server.server import Server
from selva_daemon.settings import DaemonSettings

RECORDED = json.loads(
    (Path(__file__).parents[2] / "data/protocol/conversation.json").read_text(encoding="ascii")
)
START_S = 1_767_225_600.0
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="recorded with POSIX paths")


def simple_job() -> JobRequest:
    return JobRequest(
        label="sc 12",
        media=PictureRange(path=Path("/cut/a.mov"), start_s=Fraction(1001, 24000), duration_s=Fraction(8)),
        model="selva-echo",
        output=OutputRequest(folder=Path("/cut/stems"), num_samples=384_000),
        cues=(
            CueRequest(
                cue="c1",
                track="Boots",
                prompt="boots on gravel",
                takes=(TakeRequest(take=1, seed=42, name="sc12_boots"),),
            ),
        ),
    )


def job_with_everything() -> JobRequest:
    return JobRequest(
        label="Füße, 犬",
        media=PictureRange(
            path=Path("/shots/shot.%04d.exr"),
            start_s=Fraction(0),
            duration_s=Fraction(8008, 1001),
            speed=Fraction(-3, 2),
            images=ImageSequence(
                rate_hz=Fraction(24000, 1001), first=1001, last=1100, step=2, missing="hold"
            ),
        ),
        model="selva-echo",
        num_steps=7,
        guidance=3.25,
        priority="batch",
        output=OutputRequest(
            folder=Path("/cut/stems"),
            num_samples=96_000,
            sample_rate_hz=96_000,
            time_reference_samples=172_972_800,
            labels=(
                Label(start_sample=100, num_samples=500, text="in the cut"),
                Label(start_sample=0, text="hit"),
            ),
            signer=SignerFiles(certificate=Path("/keys/signer.pem"), key=Path("/keys/signer.key")),
        ),
        cues=cues_with_everything(),
        provenance={"source": "a.mov", "project": "Füße"},
    )


def cues_with_everything() -> tuple[CueRequest, ...]:
    cues = (("Boots", "boots on wet gravel", ""), ("Dog", "small dog\nbarking", "music, speech"))
    return tuple(
        CueRequest(
            cue=f"c{index}",
            track=track,
            prompt=prompt,
            negative_prompt=negative_prompt,
            takes=tuple(
                TakeRequest(take=take, seed=seed, name=f"x_{index}_{take}")
                for take, seed in ((1, 0), (2, 2**63 - 1))
            ),
        )
        for index, (track, prompt, negative_prompt) in enumerate(cues, start=1)
    )


CLIENT_REQUESTS: Mapping[str, Request[Any]] = {
    "hello on jobs": requests.hello("jobs"),
    "hello on control": requests.hello("control"),
    "submit": requests.submit(simple_job()),
    "submit with everything": requests.submit(job_with_everything()),
    "job": requests.job("0123456789abcdef"),
    "jobs": requests.jobs(),
    "jobs by state": requests.jobs(states=("queued", "running"), limit=7),
    "retry": requests.retry("0123456789abcdef"),
    "status": requests.status(),
    "cancel": requests.cancel(["a", "b"]),
    "cancel all": requests.cancel_all(),
    "move": requests.move(["a", "b"], to="first"),
    "clear": requests.clear(),
    "metrics": requests.metrics(),
    "pause": requests.pause(),
    "resume": requests.resume(),
    "yield": requests.release_device(),
    "shutdown": requests.shutdown(),
}


@pytest.mark.parametrize("name", RECORDED["client_requests"])
def test_a_client_sends_the_recorded_request(name: str) -> None:
    number = list(RECORDED["client_requests"]).index(name) + 1
    recorded, request = RECORDED["client_requests"][name], CLIENT_REQUESTS[name]
    assert request.channel == recorded["channel"]
    envelope = Envelope(
        type=request.type, request_id=f"r{number}", session="9f2c", time_s=START_S, body=request.body
    )
    assert pack(envelope).hex() == recorded["bytes"]


def test_every_request_of_a_client_was_recorded() -> None:
    assert set(CLIENT_REQUESTS) == set(RECORDED["client_requests"])


class ScriptedWorker:
    """Stands for a supervisor: takes a job, and reports only what the script makes it report."""

    max_batch_jobs = 1

    def device_of(self, job_id: str) -> str:
        return "cpu"

    def __init__(self) -> None:
        self.can_take_job, self.state = True, WorkerState.IDLE

    def give(self, jobs: Sequence[object]) -> None:
        self.can_take_job, self.state = False, WorkerState.BUSY

    def cancel(self, job_id: str) -> bool:
        return True

    def start(self) -> None: ...

    def release(self) -> None: ...

    def process_status(self) -> ProcessStatus:
        return ProcessStatus(
            role="worker", pid=78, state="busy", memory_bytes=2_000_000, job_ids=("j1",), restarts=1
        )

    def loaded_model(self) -> LoadedModel:
        return LoadedModel(model="selva-echo", device_report="cpu (4 threads)", notices=("a test engine",))


class EventSocket:
    """Stands for the XPUB socket."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []

    def setsockopt(self, *_: int) -> None: ...

    def recv(self) -> bytes:
        return b"\x01"  # a subscription to everything

    def send_multipart(self, frames: list[bytes], flags: int = 0) -> None:
        self.sent.append(frames)


class ScriptedServer(Server):
    def _processes(self) -> list[ProcessStatus]:
        server = ProcessStatus(role="server", pid=77, state="running", memory_bytes=1_000_000)
        return [server, *(worker.process_status() for worker in self._dispatcher.workers)]


def sent_at_start(packed: bytes) -> bytes:
    """The message as if it had been sent at START_S: the recording was made so."""
    time_s = b"\xa6time_s\xcb" + struct.pack(">d", START_S)
    return re.sub(rb"\xa6time_s\xcb.{8}", lambda _: time_s, packed, flags=re.DOTALL)


def without_estimates(message: str) -> str:
    """The message (hex) with nil for the time left: what it is estimated from is no promise."""
    name = b"\xacseconds_left".hex()
    return re.sub(f"{name}cb[0-9a-f]{{16}}", f"{name}c0", message)


class Conversation:
    """The parts of a daemon that make bytes, with its clock and its ids in the script's hands."""

    def __init__(self, queue: JobQueue) -> None:
        self.time_s, self.clock_s = START_S, 100.0
        self.worker, self._socket = ScriptedWorker(), EventSocket()
        publisher = EventPublisher(cast("zmq.Socket[bytes]", self._socket), session="d1")
        publisher.next_subscription()
        self.dispatcher = Dispatcher(
            queue,
            publisher,
            scheduler=FairScheduler(interactive_in_a_row=8),
            clock=lambda: self.clock_s,
        )
        self.dispatcher.workers = [cast(Supervisor, self.worker)]
        self._handlers = RequestHandlers(
            dispatcher=self.dispatcher,
            queue=queue,
            daemon_status=lambda: self._server(queue)._daemon_status(),
            metrics=lambda: "# HELP x y\n",
            begin_shutdown=lambda: None,
            instance="d1",
        )

    def _server(self, queue: JobQueue) -> Server:
        """One that is not open, with what its status needs."""
        server = ScriptedServer.__new__(ScriptedServer)
        server._dispatcher, server._queue, server._instance = self.dispatcher, queue, "d1"
        server._settings, server._started_s = DaemonSettings(), 0.0
        server._paths = AppPaths(state=Path("/s"), cache=Path("/c"), config=Path("/f"))
        server.endpoints = {
            name: f"tcp://127.0.0.1:{port}"
            for port, name in enumerate(("jobs", "control", "events"), start=1)
        }
        return server

    def run(self, step: Mapping[str, Any]) -> bytes:
        """The reply; b"" where the step is not a request."""
        if step["what"] == "submit while draining":
            self.dispatcher.draining = True
        self.time_s += 1.0
        self.clock_s += 1.0
        if "worker" in step:
            self._report(step["what"], **step["worker"])
            return b""
        return self._handle(step["channel"], [bytes.fromhex(frame) for frame in step["frames"]])

    def _handle(self, channel: str, frames: Sequence[bytes]) -> bytes:
        request_id = ""
        body: object
        try:
            envelope = parse(frames)
            request_id = envelope.request_id
            body, kind = self._handlers.handle(channel, envelope, client="owner"), "reply"
        except SelvaError as error:
            body, kind = to_wire(error), "error"
        reply = Envelope(type=kind, request_id=request_id, session="d1", time_s=START_S, body=body)
        return pack(reply, max_bytes=MAX_REPLY_BYTES)

    def _report(self, what: str, *, job_id: str, **report: Any) -> None:
        if what == "progress":
            self.dispatcher.on_job_event(JobProgressed(job_id=job_id, **report["progress"]))
            return
        self.worker.can_take_job = True
        if what == "done":
            stems = tuple(
                StemResult(**{**stem, "warnings": tuple(stem["warnings"])}) for stem in report["stems"]
            )
            self.dispatcher.on_job_event(JobDone(job_id=job_id, stems=stems))
        elif what == "failed":
            self.dispatcher.on_job_event(JobFailed(job_id=job_id, error=from_wire(report["error"])))
        else:
            self.dispatcher.on_worker_ended({job_id: Outcome.CRASHED}, report["reason"])

    def take_events(self) -> list[dict[str, str]]:
        sent, self._socket.sent = self._socket.sent, []
        return [
            {"topic": topic.decode(), "bytes": without_estimates(sent_at_start(packed).hex())}
            for topic, packed in sent
        ]


@pytest.fixture
def conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Conversation]:
    monkeypatch.setattr(selva_core, "__version__", "0.0.0")
    monkeypatch.setenv("SELVA_MODELS_DIR", str(tmp_path / "models"))
    for module in (queue_module, handlers_module):
        # The commands that are advised name the installation's script by its path where the shell would not find it.
        monkeypatch.setattr(module, "selva_command", lambda *arguments: " ".join(("selva", *arguments)))
    numbers = iter(range(1, 100))
    with closing(JobQueue(tmp_path / "queue.sqlite3", max_queued_jobs=3, max_finished_jobs=100)) as queue:
        conversation = Conversation(queue)
        with (
            mock.patch("time.time", side_effect=lambda: conversation.time_s),
            mock.patch("time.monotonic", return_value=12.5),
            mock.patch("uuid.uuid4", side_effect=lambda: SimpleNamespace(hex=f"{next(numbers):032x}"[::-1])),
        ):
            yield conversation


def test_the_daemon_answers_and_publishes_what_was_recorded(conversation: Conversation) -> None:
    for step in RECORDED["conversation"]:
        reply = conversation.run(step)
        if reply:
            compare_replies(step, msgpack.unpackb(reply))
        events = [{**event, "bytes": without_estimates(event["bytes"])} for event in step["events"]]
        taken = [{**event, "bytes": with_short_maps(event["bytes"])} for event in conversation.take_events()]
        assert taken == [{**event, "bytes": with_short_maps(event["bytes"])} for event in events], step[
            "what"
        ]


def with_short_maps(packed: str) -> str:
    """The message with its maps in the shortest form."""
    repacked: bytes = msgpack.packb(msgpack.unpackb(bytes.fromhex(packed)))
    return repacked.hex()


def compare_replies(step: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
    recorded = bytes.fromhex(step["reply"])
    before = msgpack.unpackb(recorded)
    if before["body"].get("code") == "request-invalid" and before["body"]["fields"]:
        compare_refusals(step["what"], reply["body"], before["body"])
    elif "not msgpack within the limits" in before["body"].get("message", ""):
        assert (
            "not msgpack within the limits" in reply["body"]["message"]
        )  # what follows is the library's own text
    elif step["what"] == "cancel all":  # the order of the jobs in it is not promised
        assert sorted(reply["body"]["jobs"], key=str) == sorted(before["body"]["jobs"], key=str)
    elif "; known are " in before["body"].get("message", ""):
        compare_known(step["what"], reply["body"], before["body"])
    else:
        packed = msgpack.packb(without_additions(reply, before))
        assert without_estimates(packed.hex()) == without_estimates(recorded.hex()), (
            step["what"],
            reply,
            before,
        )


def without_additions(value: Any, before: Any) -> Any:
    """A reply as a client of 0.1.0 reads it: fields and request types that came later are passed over."""
    if isinstance(value, Mapping) and isinstance(before, Mapping):
        return {
            key: _known_requests(each, before[key])
            if key == "requests"
            else without_additions(each, before[key])
            for key, each in value.items()
            if key in before
        }
    if isinstance(value, list) and isinstance(before, list):
        return [without_additions(each, old) for each, old in zip(value, before, strict=True)]
    return value


def _known_requests(value: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Of each channel, the request types that there were."""
    return {channel: [each for each in names if each in before[channel]] for channel, names in value.items()}


def compare_known(what: str, body: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """An error that lists what is known: the list may have grown."""
    (start, _, known), (start_before, _, known_before) = (
        each["message"].partition("; known are ") for each in (body, before)
    )
    assert start == start_before, what
    assert set(known_before.split(", ")) <= set(known.split(", ")), what
    assert {**body, "message": ""} == {**before, "message": ""}, what


def without_proposals(message: str) -> str:
    return re.sub(r"; (known here: |did you mean ').*", "", message)


def compare_refusals(what: str, body: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """The same fields with the same messages. Their order is not promised, and a field is named once only; the fields that are
    known become more, and the nearest known name may be proposed at the end.
    """
    faults, faults_before = (
        {(fault["field"], without_proposals(fault["message"])) for fault in each["fields"]}
        for each in (body, before)
    )
    if len(faults_before) < 100:
        assert faults <= faults_before, what
        assert {field for field, _ in faults} == {field for field, _ in faults_before}, what
    else:
        assert len(faults) == len(faults_before) == 100
        assert {message for _, message in faults} == {message for _, message in faults_before}
        assert body["message"].rpartition(" (and ")[2] == before["message"].rpartition(" (and ")[2]
    assert {key: value for key, value in body.items() if key not in ("fields", "message")} == {
        key: value for key, value in before.items() if key not in ("fields", "message")
    }


def test_replies_and_events_read_and_written_again_are_the_same_bytes() -> None:
    """The structs name every field of a reply, in the order in which it is sent."""
    kinds = {kind.name: kind.reply for kind in requests.REQUESTS}
    num_compared = 0
    for step in RECORDED["conversation"]:
        if "reply" not in step:
            continue
        reply = parse([bytes.fromhex(step["reply"])], max_bytes=MAX_REPLY_BYTES)
        if reply.type == "reply":
            request = parse([bytes.fromhex(step["frames"][0])])
            value = read_reply(reply.body, kinds[request.type])
            again = pack(
                Envelope(
                    type="reply",
                    request_id=reply.request_id,
                    session=reply.session,
                    time_s=reply.time_s,
                    body=value,
                ),
                max_bytes=MAX_REPLY_BYTES,
            )
            assert with_short_maps(again.hex()) == with_short_maps(step["reply"]), step["what"]
            num_compared += 1
    assert num_compared > 20
    assert reply_decode_hook(SelvaError, to_wire(SelvaError("x"))).message == "x"
