"""A watch folder that tests step by step, with a journal and a clock of its own; several may watch one folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selva_core.base.paths import AppPaths
from selva_core.base.render_options import RenderOptions
from selva_core.base.settings.watched_folder import WatchedFolder
from selva_daemon.client.client import Client
from selva_daemon.protocol.errors import DaemonUnavailableError
from selva_otio import SpotOptions
from selva_render.watch.claims import ClaimKeeper
from selva_render.watch.folder import FolderSession, open_session
from selva_render.watch.journal import WatchJournal, open_journal
from selva_render.watch.scanner import Clock

CUES = '[[cue]]\ntrack = "Click"\nprompt = "click"\n'


def refuse_connection() -> Client:
    raise DaemonUnavailableError("no daemon runs")


@dataclass
class Watcher:
    """One watcher. now_s: its clock, which each `step` moves on."""

    session: FolderSession
    journal: WatchJournal
    messages: list[str]
    clock: list[float] = field(default_factory=lambda: [1_000_000.0])

    def step(self, *, seconds: float = 1.0) -> None:
        """Look, and handle all that may be handled."""
        self.clock[0] += seconds
        self.session.scan()
        while self.session.may_work():
            record = self.journal.take_next([self.session.watched.path], now_s=self.clock[0])
            if record is None:
                return
            self.session.handle(record)

    def rest(self, *, steps: int = 4) -> None:
        """Step until nothing is new, with what waits for a while given its time."""
        for _ in range(steps):
            self.step(seconds=5.0)

    def states(self) -> dict[str, str]:
        return {record.name: record.state for record in self.journal.items(self.session.watched.path)}


@contextmanager
def watching(
    folder: Path,
    results: Path | None,
    state: Path,
    *,
    connect: Callable[[], Client] = refuse_connection,
    webhook_hosts: tuple[str, ...] = (),
    expiry_s: float = 120.0,
    media_patience_s: float = 0.0,
    **fields: Any,
) -> Iterator[Watcher]:
    """A watcher with its journal in `state`; fields: of WatchedFolder."""
    state.mkdir(parents=True, exist_ok=True)
    journal = open_journal(state / "watch.sqlite3")
    keeper = ClaimKeeper()
    messages: list[str] = []
    clock = [1_000_000.0]
    try:
        session = open_session(
            WatchedFolder(path=folder, results=results, **{"settle_s": 0.0, **fields}),
            journal,
            AppPaths(state=state, cache=state / "cache", config=state / "config"),
            keeper,
            options=RenderOptions(model="selva-echo"),
            spot_options=SpotOptions(),
            connect=connect,
            on_message=messages.append,
            clock=Clock(monotonic_s=lambda: clock[0], wall_s=lambda: clock[0]),
            webhook_hosts=webhook_hosts,
            media_patience_s=media_patience_s,
            makes_pages=False,
            expiry_s=expiry_s,
        )
        try:
            yield Watcher(session, journal, messages, clock)
        finally:
            session.close()
    finally:
        keeper.close()
        journal.close()


def replace_file(file: Path, content: bytes) -> None:
    """As a program that saves: its time of change is another one also on file systems that count seconds."""
    file.write_bytes(content)
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
