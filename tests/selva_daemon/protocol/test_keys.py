"""CURVE keys and the file they are stored in."""

from __future__ import annotations

from selva_daemon.protocol.keys import KeyPair


def test_secrets_do_not_show_when_keys_are_printed() -> None:
    pair = KeyPair.generate()
    assert pair.secret not in repr(pair)
    assert pair.public in repr(pair)
