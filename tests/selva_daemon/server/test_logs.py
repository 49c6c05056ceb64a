"""The log file."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from selva_daemon.server.logs import NUM_OLD_LOGS, close_log, open_log


def test_the_log_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selva_daemon.server.logs.MAX_LOG_BYTES", 2_000)
    handlers = open_log(tmp_path / "daemon.log", level="info", also_to_terminal=False)
    try:
        for index in range(200):
            logging.getLogger("selva_daemon.test").info("line %d", index, extra={"job_id": "j"})
    finally:
        close_log(handlers)
    files = sorted(tmp_path.iterdir())
    assert len(files) == NUM_OLD_LOGS + 1
    assert all(file.stat().st_size <= 2_000 for file in files)
    last = json.loads((tmp_path / "daemon.log").read_text().splitlines()[-1])
    assert (last["message"], last["job_id"], last["level"]) == ("line 199", "j", "info")
