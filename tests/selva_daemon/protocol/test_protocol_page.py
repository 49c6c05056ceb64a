"""docs/reference/protocol.md describes what the daemon does: bytes, requests, codes, fields."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgpack
import pytest

from selva_core.base import errors as core_errors
from selva_core.base.errors import SelvaError
from selva_daemon import reference
from selva_daemon.client.client import Client
from selva_daemon.protocol import errors
from selva_daemon.protocol.envelope import parse
from selva_daemon.protocol.job import parse_job
from selva_daemon.protocol.status import JobStatus

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)\n```\n\n```hex\n(.*?)\n```", PAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("text", "hexes"), EXAMPLES)
def test_the_bytes_on_the_page_are_the_message_beside_them(text: str, hexes: str) -> None:
    packed = bytes.fromhex(hexes)
    assert msgpack.unpackb(packed) == json.loads(text)
    assert parse([packed]).protocol == 1


def test_the_examples_are_a_greeting_a_job_a_reply_an_event_and_a_refusal() -> None:
    envelopes = [parse([bytes.fromhex(hexes)]) for _, hexes in EXAMPLES]
    assert [envelope.type for envelope in envelopes] == ["hello", "submit", "reply", "event", "error"]
    assert parse_job(envelopes[1].body).label == "sc 12"
    assert JobStatus.from_wire(envelopes[3].body).stage == "sampling"
    assert isinstance(errors.from_wire(envelopes[4].body), errors.InvalidRequestError)


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_tables_are_those_of_the_structs(page: str) -> None:
    """To rewrite them: python -m selva_daemon.reference"""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text == reference.fill(text)


def test_every_table_that_is_made_stands_in_a_page() -> None:
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in reference.PAGES]
    assert sorted(reference.build_tables()) == sorted(
        name for text in texts for name in reference.table_names(text)
    )


def test_a_changed_table_would_be_noticed() -> None:
    """The twin of the comparison above."""
    assert "| `num_steps` | integer | 1 to 1000, default 25 |" in PAGE
    changed = PAGE.replace("1 to 1000, default 25", "1 to 999, default 25")
    assert reference.fill(changed) == PAGE


def test_every_request_that_the_daemon_handles_has_a_row(client: Client) -> None:
    sections = dict(
        zip(("jobs", "control"), re.split(r"## Requests on the \w+ channel", PAGE)[1:], strict=True)
    )
    for channel, types in client.daemon.requests.items():
        for request_type in types:
            assert f"\n| `{request_type}` |" in sections[channel], f"{request_type} of {channel}"


def test_every_code_that_crosses_the_wire_is_on_the_page() -> None:
    raised_here_only = {"selva", "daemon", "media", "model", "configuration", "model-download", "lock-held"}
    raised_here_only |= {
        f"daemon-{word}" for word in ("unavailable", "refused", "timeout", "start", "running")
    }
    classes = [*vars(core_errors).values(), *vars(errors).values()]
    codes = {kind.code for kind in classes if isinstance(kind, type) and issubclass(kind, SelvaError)}
    assert "queue-full" in codes
    assert not {code for code in codes - raised_here_only if f"`{code}`" not in PAGE}
