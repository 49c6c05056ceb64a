"""What version 0.1.0 left in the exchange folder is still taken up: nothing that was rendered is lost by an update."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from selva_plugins.hosts.resolve.agent.messages import MESSAGE_SCHEMA, MessageFolder, PrefsTransport
from selva_plugins.hosts.resolve.agent.watch import ResolveWatch
from selva_plugins.hosts.resolve.plan_schema import parse_plan_stems
from selva_plugins.request_folder import read_json

BEFORE = Path(__file__).parents[3] / "data" / "before" / "resolve_requests"
REQUEST = "20261130T143824Z-6f02c956"


@pytest.fixture
def exchange(tmp_path: Path) -> MessageFolder:
    """An exchange folder with the request of the earlier version."""
    folder = MessageFolder(tmp_path / "exchange")
    folder.ensure()
    shutil.copytree(BEFORE, folder.folder / "requests")
    return folder


def start_watch(exchange: MessageFolder, lines: list[str]) -> ResolveWatch:
    watch = ResolveWatch(
        exchange=exchange,
        prefs=PrefsTransport([]),
        print_line=lines.append,
        answer=lambda _folder: pytest.fail("it was answered already"),
    )
    watch.start()
    watch.step()
    return watch


def test_a_finished_request_waits_for_its_timeline_and_its_plan_is_handed_out(
    exchange: MessageFolder,
) -> None:
    start_watch(exchange, [])
    waiting = (exchange.inbox / "waiting.lua").read_text(encoding="utf-8")
    assert f'["request"]="{REQUEST}"' in waiting
    assert '["timeline_id"]="timeline-000003"' in waiting
    reply = (exchange.inbox / f"{REQUEST}.lua").read_text(encoding="utf-8")
    assert '["timeline_name"]="Reel 1"' in reply
    assert '["record_frame"]=86410' in reply
    assert '["replaces"]=false' in reply


def test_its_report_closes_it(exchange: MessageFolder) -> None:
    lines: list[str] = []
    watch = start_watch(exchange, lines)
    stem = {"id": "b72216e23a0c-1", "status": "placed", "track_index": 2, "track_name": "Dog"}
    report = {"saved": True, "stems": [{**stem, "record_frame": 86410, "duration_frames": 23}]}
    body = {"schema": MESSAGE_SCHEMA, "kind": "report", "request": REQUEST, "report": report}
    (exchange.outbox / f"{REQUEST}-2.json").write_text(json.dumps(body), encoding="utf-8")
    watch.step()
    assert not watch.is_busy()
    assert lines[-2:] == [f"{REQUEST}: 1 of 1 stems placed", "  Dog: Resolve made it 1 frame(s) shorter"]


def test_the_entries_of_its_plan_are_written_as_before() -> None:
    placements = read_json(BEFORE / REQUEST / "plan.json")["placements"]
    assert [stem.to_json() for stem in parse_plan_stems(placements)] == placements


def test_a_request_whose_files_are_damaged_is_given_up_and_the_next_is_taken_up(
    exchange: MessageFolder,
) -> None:
    damaged = exchange.folder / "requests" / "20261130T000000Z-damaged0"
    shutil.copytree(BEFORE / REQUEST, damaged)
    (damaged / "snapshot.json").write_text('{"schema": "selva.resolve.snapshot/1"', encoding="utf-8")
    lines: list[str] = []
    start_watch(exchange, lines)
    assert any("damaged0" in line and "cannot be read" in line for line in lines)
    assert (damaged / "plan.json").is_file()
    assert f'["request"]="{REQUEST}"' in (exchange.inbox / "waiting.lua").read_text(encoding="utf-8")
