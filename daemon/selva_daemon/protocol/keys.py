"""CURVE keys: the server's pair and the owner's pair (for those of further clients see `clients`).

Both pairs are made at the first start and kept in `keys.json`, which only the owner can read. The server's
secret is in no other file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import zmq

from selva_core.base.errors import StorageError
from selva_core.base.paths import AppPaths, is_private, write_private_file


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A CURVE pair in Z85 text (rfc.zeromq.org/spec/32); the secret does not show in repr."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r}, secret=...)"

    @classmethod
    def generate(cls) -> KeyPair:
        public, secret = zmq.curve_keypair()
        return cls(public=public.decode("ascii"), secret=secret.decode("ascii"))


@dataclass(frozen=True, kw_only=True)
class DaemonKeys:
    server: KeyPair
    owner: KeyPair


def ensure_keys(paths: AppPaths) -> DaemonKeys:
    """Load the keys, or make them at the first start.

    Raises StorageError when the file cannot be read or others can read it: a key that was seen is no key.
    """
    file = paths.keys_file
    if not file.exists():
        keys = DaemonKeys(server=KeyPair.generate(), owner=KeyPair.generate())
        content = {"server": vars(keys.server), "owner": vars(keys.owner)}
        write_private_file(file, json.dumps(content, indent=1).encode("ascii"))
        return keys
    if not is_private(file):
        raise StorageError(
            f"{file} can be read by others, so its keys cannot be trusted; delete it and start again",
            path=str(file),
        )
    try:
        values = json.loads(file.read_text(encoding="ascii"))
        return DaemonKeys(server=_pair(values["server"]), owner=_pair(values["owner"]))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise StorageError(f"{file} does not hold keys; delete it and start again", path=str(file)) from exc


def _pair(values: dict[str, str]) -> KeyPair:
    pair = KeyPair(public=values["public"], secret=values["secret"])
    if zmq.curve_public(pair.secret.encode("ascii")) != pair.public.encode("ascii"):
        raise ValueError("the public key does not belong to the secret")
    return pair
