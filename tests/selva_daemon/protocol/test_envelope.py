"""The envelope: what is accepted, what is refused, and with which message."""

from __future__ import annotations

import msgpack
import pytest

from selva_core.base.schema import FieldFault
from selva_daemon.protocol.envelope import MAX_DEPTH, MAX_MESSAGE_BYTES, MAX_TEXT_BYTES, Envelope, pack, parse
from selva_daemon.protocol.errors import (
    DaemonError,
    InvalidRequestError,
    ProtocolError,
    ProtocolVersionError,
    QueueFullError,
    from_wire,
    to_wire,
)

GOOD = {
    "protocol": 1,
    "type": "job",
    "request_id": "r",
    "session": "s",
    "time_s": 1.5,
    "body": {"job_id": "j"},
}


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_packed_envelope_is_parsed_to_the_same() -> None:
    envelope = Envelope(type="job", request_id="r", session="s", body={"a": [1, "ö", None, 2.5]}, time_s=3.0)
    assert parse([pack(envelope)]) == envelope


def test_the_dictionary_of_the_documentation_is_an_envelope() -> None:
    assert parse([msgpack.packb(GOOD)]).body == {"job_id": "j"}


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "one frame; got 0"),
        ([msgpack.packb(GOOD)] * 2, "one frame; got 2"),
        ([b"\x00" * (MAX_MESSAGE_BYTES + 1)], "at most 1048576 bytes"),
        ([b""], "not msgpack"),
        ([b"\xc1"], "not msgpack"),
        ([msgpack.packb(GOOD) + b"\x00"], "not msgpack"),
        ([msgpack.packb(GOOD)[:-1]], "not msgpack"),
        ([b"\xdd\xff\xff\xff\xff"], "not msgpack"),
        ([b"\x91" * 2000], "not msgpack"),
        ([msgpack.packb({1: 2})], "not msgpack"),
        ([msgpack.packb({**GOOD, "body": {"x": "y" * (MAX_TEXT_BYTES + 1)}})], "not msgpack"),
        ([msgpack.packb({**GOOD, "body": {"x": b"bytes"}})], "not msgpack"),
        ([msgpack.packb({**GOOD, "body": {b"x": 1}})], "keys of a map are text"),
        ([msgpack.packb(dict([*GOOD.items(), (b"extra", 1)]))], "keys of a map are text"),
        ([msgpack.packb({**GOOD, "body": {"x": msgpack.ExtType(1, b"e")}})], "not msgpack"),
        ([b"\x81\xa1a\xa1\xff"], "not msgpack"),
        ([msgpack.packb([GOOD])], "a message is a map; got list"),
        ([msgpack.packb({**GOOD, "body": nested(MAX_DEPTH)})], "at most 12 levels"),
        ([msgpack.packb({**GOOD, "type": 5})], "'type' is a string"),
        ([msgpack.packb({**GOOD, "request_id": "r" * 65})], "'request_id' is a string of at most 64"),
        ([msgpack.packb({**GOOD, "session": None})], "'session'"),
        ([msgpack.packb({**GOOD, "time_s": "now"})], "'time_s'"),
        ([msgpack.packb({**GOOD, "time_s": True})], "'time_s'"),
        ([msgpack.packb({**GOOD, "body": []})], "'body' is a map"),
        ([msgpack.packb({**GOOD, "extra": 1})], "unknown keys: extra"),
        (
            [msgpack.packb({key: value for key, value in GOOD.items() if key != "protocol"})],
            "no protocol version",
        ),
        ([msgpack.packb({**GOOD, "protocol": True})], "no protocol version"),
    ],
)
def test_malformed_messages_are_refused_with_the_reason(frames: list[bytes], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        parse(frames)


def test_the_deepest_message_allowed_is_parsed() -> None:
    assert parse([msgpack.packb({**GOOD, "body": nested(MAX_DEPTH - 2)})]).type == "job"


def test_another_version_is_refused_with_the_versions_that_are_spoken() -> None:
    with pytest.raises(ProtocolVersionError, match="speaks protocol 1") as caught:
        parse([msgpack.packb({**GOOD, "protocol": 2})])
    assert caught.value.facts == {"got": 2, "supported": 1}


@pytest.mark.parametrize(
    "body", [{"x": "y" * MAX_MESSAGE_BYTES}, {"x": object()}, {"x": 2**70}, {"x": "\ud800"}]
)
def test_what_cannot_be_sent_is_refused_before_it_is_sent(body: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        pack(Envelope(type="t", request_id="r", session="s", body=body))


def test_an_error_arrives_as_the_class_that_was_raised() -> None:
    error = from_wire(to_wire(QueueFullError("full", num_queued=3)))
    assert type(error) is QueueFullError
    assert (error.message, error.facts, error.retryable) == ("full", {"num_queued": 3}, True)


def test_field_faults_arrive_with_their_fields() -> None:
    error = from_wire(to_wire(InvalidRequestError("wrong", fields=[FieldFault("cues[0].takes", "missing")])))
    assert isinstance(error, InvalidRequestError)
    assert error.fields == (FieldFault("cues[0].takes", "missing"),)


def test_an_unknown_error_of_a_newer_daemon_keeps_its_message() -> None:
    error = from_wire({"code": "from-the-future", "message": "something new", "facts": {}})
    assert type(error) is DaemonError
    assert error.message == "something new"
