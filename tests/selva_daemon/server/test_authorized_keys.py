"""The public keys that may connect, one file a client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import zmq

from selva_core.base.errors import ConfigurationError
from selva_daemon.protocol.keys import KeyPair
from selva_daemon.server.authorized_keys import AuthorizedKeys, add_client, load_clients, remove_client


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


def test_a_client_that_connected_and_was_revoked_between_two_reloads_is_reported(tmp_path: Path) -> None:
    keys = AuthorizedKeys(tmp_path, owner_key=zmq.curve_keypair()[0].decode())
    guest, friend = (add_client(tmp_path, name).public for name in ("guest", "friend"))
    assert (keys.name_of(guest), keys.name_of(friend)) == ("guest", "friend")
    remove_client(tmp_path, "guest")
    assert keys.reload() == ["guest"]
    assert keys.reload() == []
    assert (keys.name_of(guest), keys.name_of(friend)) == (None, "friend")


def test_a_revoked_key_is_unknown_before_the_folder_is_read_again(tmp_path: Path) -> None:
    pair = add_client(tmp_path, "edit-2")
    keys = AuthorizedKeys(tmp_path, owner_key="o" * 40)
    assert (keys.name_of(pair.public), keys.name_of("o" * 40)) == ("edit-2", "owner")
    remove_client(tmp_path, "edit-2")
    assert (keys.name_of(pair.public), keys.name_of("o" * 40)) == (None, "owner")
    assert keys.reload() == ["edit-2"]
    assert not keys.has_changed
