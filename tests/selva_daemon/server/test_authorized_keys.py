"""The public keys that may connect, one file a client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selva_core.base.errors import ConfigurationError
from selva_daemon.protocol.keys import KeyPair
from selva_daemon.server.authorized_keys import load_clients


def test_client_keys_are_read_by_name(tmp_path: Path) -> None:
    key = KeyPair.generate().public
    (tmp_path / "a.json").write_text(json.dumps({"name": "edit-2", "public_key": key}))
    assert load_clients(tmp_path) == {key: "edit-2"}
    assert load_clients(tmp_path / "missing") == {}


@pytest.mark.parametrize(
    "content",
    [
        {"name": "owner", "public_key": "x" * 40},
        {"name": "Edit 2", "public_key": "x" * 40},
        {"name": "edit-2", "public_key": "short"},
        {"name": "edit-2", "public_key": "~" * 40},
        {"name": "edit-2"},
        [],
        "not json",
    ],
)
def test_a_file_that_is_no_client_key_stops_the_daemon_and_names_the_file(
    content: object, tmp_path: Path
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(ConfigurationError, match=r"bad\.json is not a client key"):
        load_clients(tmp_path)
