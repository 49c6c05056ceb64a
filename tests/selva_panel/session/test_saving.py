"""The file of a session: a disk that is full is reported of, and nothing is lost once it is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from selva_core.base.errors import StorageError
from selva_core.base.paths import AppPaths
from selva_daemon.protocol.status import JobStatus, StemResult
from selva_panel.jobs.daemon_link import DaemonLink
from selva_panel.jobs.work import PanelWork
from selva_panel.session import session as session_module
from selva_panel.session.records import CueInJob, JobRecord, SessionRecord
from selva_panel.session.session import Session
from selva_panel.session.store import SessionStore
from selva_panel.timeline.cut import open_cut
from selva_panel.timeline.rows import Row
from tests.selva_panel.page.conftest import ROOT


class FullDisk(SessionStore):
    """A store that cannot write until somebody makes room."""

    is_full = True

    def save(self, record: SessionRecord) -> None:
        if self.is_full:
            raise StorageError("cannot write the session: no space left on device")
        super().save(record)


@pytest.fixture
def store(tmp_path: Path) -> FullDisk:
    folders = {f"SELVA_{name}_DIR": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    return FullDisk(AppPaths.find(folders), "s1")


def test_a_full_disk_is_reported_and_the_change_is_saved_when_there_is_room(
    store: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SAVE_AFTER_S", "SAVE_AGAIN_S"):
        monkeypatch.setattr(session_module, name, 0.01)

    async def edit() -> list[Any]:
        session = Session(open_cut(ROOT / "examples" / "yard.mp4"), store)
        with session.hub.subscribe() as queue:
            session.put_rows(session.record.revision, [Row(id="dog", name="Dog", prompt="small dog barking")])
            await queue.get()
            reported = await queue.get()
            store.is_full = False
            over = await queue.get()
        return [message["changes"] for message in (reported, over) if message is not None]

    problem = "cannot write the session: no space left on device"
    assert asyncio.run(edit()) == [{"saving_problem": problem}, {"saving_problem": None}]
    assert [row.name for row in store.load().rows] == ["Dog"]


def test_a_model_that_sees_nothing_says_so_in_place_of_looking_in_vain(store: FullDisk) -> None:
    async def look(presence: float | None) -> str:
        session = Session(open_cut(ROOT / "examples" / "yard.mp4"), store)
        paths = AppPaths.find({})
        work = PanelWork(session, DaemonLink(session, paths), paths.state)
        cue = CueInJob(
            row_id="dog", clip_id="yard", prompt="dog", negative="", start_frames=0, start_sample=0,
            offset_samples=0, length_samples=1,
        )  # fmt: skip
        job = JobRecord(
            id="j1", kind="look", cues={"dog-1": cue}, model="selva-echo", num_steps=1, guidance=1.0,
            pan_mode="off", redone_from=None,
        )  # fmt: skip
        session.record.jobs.append(job)
        result = StemResult(
            cue="dog-1", track="Dog", take=1, seed=1, file="", sample_rate_hz=48_000, num_samples=1, cached=False,
            presence=presence,
        )  # fmt: skip
        done = JobStatus(
            job_id="j1", label="", model="selva-echo", priority="normal", state="done", num_stems=1, sequence=1,
            submitted_s=0.0, stems=(result,),
        )  # fmt: skip
        work._on_status(done)
        session._touch_now()
        return job.message

    store.is_full = False
    assert "selva-echo cannot say where a prompt is seen" in asyncio.run(look(None))
    assert asyncio.run(look(0.9)) == ""
