"""Messages between agent and bridge: whole or not at all, by files and by Fusion's preferences."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.hosts.resolve.agent.lua_literals import to_lua
from selva_plugins.hosts.resolve.agent.messages import MessageFolder, PrefsTransport
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS, lua_command

NASTY: dict[str, Any] = {
    "text": 'quotes " and \\ and \n\r\t\0 and ümlaut 犬 and ]] and %d',
    "numbers": [0, -1, 86400, 0.5, 1e300],
    "flags": [True, False],
    "nested": {"list": [], "map": {}, "deep": [{"x": 1}]},
}


@pytest.fixture
def exchange(tmp_path: Path) -> MessageFolder:
    made = MessageFolder(tmp_path / "exchange")
    made.ensure()
    return made


def encode_message(**body: Any) -> str:
    return json.dumps({"schema": "selva.letter/1", **body})


def post_by_prefs(prefs: FusionPrefs, name: str, text: str, *, piece_chars: int = 100) -> None:
    coded = text.encode().hex()
    pieces = [coded[first : first + piece_chars] for first in range(0, len(coded), piece_chars)]
    for number, piece in enumerate(pieces, start=1):
        prefs.set(f"Global.SelvaLetter.SelvaPiece{number}", piece)
    prefs.set("Global.SelvaLetter.SelvaHead", f"selva1 {name} {len(pieces)} {len(text.encode())}")
    prefs.save()


def test_a_message_is_read_once_and_taken_away(exchange: MessageFolder) -> None:
    (exchange.outbox / "a-1.json").write_text(encode_message(kind="stop"))
    assert [found.name for found in exchange.collect()] == ["a-1"]
    assert list(exchange.collect()) == []


def test_messages_that_are_broken_or_foreign_do_not_stop_the_next_one(exchange: MessageFolder) -> None:
    (exchange.outbox / "a-1.json").write_text("{")
    (exchange.outbox / "a-2.json").write_text('{"schema": "other"}')
    (exchange.outbox / "a-3.json").write_text("[]")
    (exchange.outbox / "a-4.json").write_text("[" * 100_000)
    (exchange.outbox / "a b;c.json").write_text(encode_message(kind="stop"))
    (exchange.outbox / "a-5.json.part").write_text(encode_message(kind="stop"))
    (exchange.outbox / "z-1.json").write_text(encode_message(kind="stop"))
    assert [found.name for found in exchange.collect()] == ["z-1"]
    assert [path.name for path in exchange.outbox.iterdir()] == ["a-5.json.part"]


def test_preferences_are_read_when_they_change_and_each_message_once(tmp_path: Path) -> None:
    prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
    transport = PrefsTransport([tmp_path / "Profiles"])
    assert list(transport.collect()) == []
    post_by_prefs(prefs, "a-1", encode_message(kind="generate", text=NASTY["text"]))
    (found,) = transport.collect()
    assert found.body["text"] == NASTY["text"]
    prefs.set("Global.Other", 5)
    prefs.save()
    assert list(transport.collect()) == []
    post_by_prefs(prefs, "a-2", encode_message(kind="report"))
    assert [found.name for found in transport.collect()] == ["a-2"]


def test_a_message_with_a_missing_piece_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
    transport = PrefsTransport([tmp_path / "Profiles"])
    post_by_prefs(prefs, "a-1", encode_message(kind="generate", text="x" * 500))
    prefs.set("Global.SelvaLetter.SelvaPiece2", "")
    prefs.save()
    assert list(transport.collect()) == []


def test_every_profile_is_looked_at(tmp_path: Path) -> None:
    for name in ("Default", "Grading"):
        post_by_prefs(
            FusionPrefs(tmp_path / "Profiles" / name / "Fusion.prefs"),
            f"{name}-1",
            encode_message(kind="stop"),
        )
    found = PrefsTransport([tmp_path / "Profiles", tmp_path / "nowhere"]).collect()
    assert sorted(entry.name for entry in found) == ["Default-1", "Grading-1"]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_an_answer_means_the_same_in_lua(interpreter: str, exchange: MessageFolder, tmp_path: Path) -> None:
    exchange.reply("a", NASTY)
    program = tmp_path / "read.lua"
    program.write_text(
        f"""
        local read = assert(loadfile({to_lua(str(exchange.inbox / "a.lua"))}))()
        io.write(read.text, "|", #read.numbers, "|", read.numbers[4], "|", read.numbers[5], "|")
        io.write(tostring(read.flags[2]), "|", tostring(next(read.nested.list)), "|", read.nested.deep[1].x)
        """
    )
    printed = subprocess.run(
        lua_command(interpreter, program), capture_output=True, check=True
    ).stdout.decode()
    assert printed == NASTY["text"] + "|5|0.5|1e+300|false|nil|1"


def test_an_answer_is_replaced_whole(exchange: MessageFolder) -> None:
    exchange.reply("a", {"beat": 1})
    exchange.reply("a", {"beat": 2})
    assert (exchange.inbox / "a.lua").read_text() == 'return {["beat"]=2}\n'
    assert [path.name for path in exchange.inbox.iterdir()] == ["a.lua"]
    exchange.forget("a")
    assert list(exchange.inbox.iterdir()) == []


def test_what_lua_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="Path"):
        to_lua({"path": Path("/x")})
