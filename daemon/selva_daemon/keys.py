"""CURVE keys: the server's pair, the owner's pair, and the public keys of further clients.

Both pairs are made at the first start and kept in `keys.json`, which only the owner can read. The server's
secret is in no other file. Further clients (needed to listen beyond loopback) are JSON files of `{"name":
..., "public_key": ...}` in the configuration's `clients` folder.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import zmq
import zmq.utils.z85

from selva_daemon.errors import ConfigurationError, StorageError
from selva_daemon.places import Places, is_private, write_private_file

OWNER = "owner"
_CLIENT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_KEY_CHARS = 40


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


def ensure_keys(places: Places) -> DaemonKeys:
    """Load the keys, or make them at the first start.

    Raises StorageError when the file cannot be read or others can read it: a key that was seen is no key.
    """
    file = places.keys_file
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


def load_clients(folder: Path) -> dict[str, str]:
    """Public key → name of every further client. Raises ConfigurationError for a file that is not one."""
    clients: dict[str, str] = {}
    for file in sorted(folder.glob("*.json")):
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            name, public_key = values["name"], values["public_key"]
            if name == OWNER or not _CLIENT_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a client's name")
            _check_key(public_key)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise ConfigurationError(
                f"{file} is not a client key: {exc}. It is a JSON object with a name and a public_key",
                path=str(file),
            ) from exc
        clients[public_key] = name
    return clients


def _pair(values: dict[str, str]) -> KeyPair:
    pair = KeyPair(public=values["public"], secret=values["secret"])
    if zmq.curve_public(pair.secret.encode("ascii")) != pair.public.encode("ascii"):
        raise ValueError("the public key does not belong to the secret")
    return pair


def _check_key(text: str) -> None:
    if len(text) != _KEY_CHARS:
        raise ValueError(f"a public key has {_KEY_CHARS} characters")
    zmq.utils.z85.decode(text)
