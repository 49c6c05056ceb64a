"""Commands where SELVA_CONNECTION_FILE names another machine's daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_cli.command_line import RunCommand


def test_a_connection_file_that_there_is_not_is_to_be_corrected_and_no_start_is_advised(
    selva: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`selva daemon start` is refused while the variable is set."""
    monkeypatch.setenv("SELVA_CONNECTION_FILE", str(tmp_path / "nonesuch.json"))
    status, _, errors = selva("jobs", "list")
    assert status == 1
    assert "unset it to use a daemon on this machine" in errors
    assert "daemon start" not in errors
    monkeypatch.delenv("SELVA_CONNECTION_FILE")
    assert "daemon start" in selva("jobs", "list")[2]
