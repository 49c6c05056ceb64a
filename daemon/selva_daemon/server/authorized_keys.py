"""The public keys that may connect: the owner's, and those of further clients such as other machines.

Each further client is a file NAME.json, `{"name": ..., "public_key": ...}`, in the configuration's `clients` folder. The daemon
notices when one is added or removed; the secret half is only in the connection file that the client was given.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zmq.utils.z85

from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import MAX_PRIVATE_FILE_BYTES, ensure_private_folder, write_private_file
from selva_core.base.regular_file import read_bounded
from selva_daemon.protocol.keys import KeyPair

OWNER = "owner"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_KEY_CHARS = 40
_log = logging.getLogger(__name__)


def load_clients(folder: Path) -> dict[str, str]:
    """Public key → name of every further client. Raises ConfigurationError for a file that is not one."""
    return dict(_load_client(file) for file in sorted(folder.glob("*.json")))


class _ClientFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a NAME.json holds."""

    name: str
    public_key: str


def _load_client(file: Path) -> tuple[str, str]:
    try:
        client = msgspec.json.decode(read_bounded(file, MAX_PRIVATE_FILE_BYTES), type=_ClientFile)
        if not _is_name(client.name):
            raise ValueError(f"{client.name!r} is not a client's name")
        _check_key(client.public_key)
    except (OSError, ValueError, msgspec.MsgspecError) as exc:
        raise ConfigurationError(
            f"{file} is not a client key: {exc}. It is a JSON object with a name and a public_key",
            path=str(file),
        ) from exc
    return client.public_key, client.name


def _is_name(name: str) -> bool:
    return name != OWNER and _NAME.fullmatch(name) is not None


def add_client(folder: Path, name: str) -> KeyPair:
    """Make a pair of keys, authorize its public half and return the pair; the secret is stored nowhere.

    Raises ConfigurationError for a name that is taken or not allowed, StorageError.
    """
    if not _is_name(name):
        raise ConfigurationError(
            f"a client's name is up to 32 of a-z, 0-9, - and _, and not {OWNER!r}; got {name!r}", name=name
        )
    if name in load_clients(folder).values():
        raise ConfigurationError(
            f"there is a client {name!r} already; take its access away first: {selva_command('daemon', 'revoke', name)}",
            name=name,
        )
    pair = KeyPair.generate()
    ensure_private_folder(folder)
    content = msgspec.json.encode(_ClientFile(name=name, public_key=pair.public))
    write_private_file(folder / f"{name}.json", msgspec.json.format(content, indent=1))
    return pair


def remove_client(folder: Path, name: str) -> None:
    """Revoke a key. Raises ConfigurationError when there is no such client."""
    clients = load_clients(folder)
    if name not in clients.values():
        known = ", ".join(sorted(clients.values())) or "none"
        raise ConfigurationError(f"there is no client {name!r}; known are: {known}", name=name)
    for file in folder.glob("*.json"):
        if _load_client(file)[1] == name:
            file.unlink()


class AuthorizedKeys:
    """Names of clients by public key (Z85 text). The authenticator's thread reads it, the server's thread reloads it."""

    def __init__(self, folder: Path, *, owner_key: str) -> None:
        """Raises ConfigurationError for a file that is no client key."""
        self._folder = folder
        self._owner = {owner_key: OWNER}
        self._snapshot = self._take_snapshot()
        self._names: Mapping[str, str] = self._owner | load_clients(folder)
        self._accepted_early: dict[str, str] = {}

    @property
    def has_others(self) -> bool:
        return len(self._names) > 1

    @property
    def has_changed(self) -> bool:
        """Whether the folder is another than at the last `reload`."""
        return self._take_snapshot() != self._snapshot

    def name_of(self, public_key: str) -> str | None:
        """None for an unknown key. What was invited or revoked a moment ago, before `reload`, counts already."""
        if public_key in self._owner or not self.has_changed:
            return self._names.get(public_key)
        name = self._load().get(public_key)
        if name is not None and public_key not in self._names:
            # The client may be invited, connect and be revoked between two calls of `reload`, which then must report it.
            self._accepted_early[public_key] = name
        return name

    def reload(self) -> list[str]:
        """Read the folder again if it has changed; returns the names of clients whose key was revoked.

        A file that is wrong authorizes nothing, and the others stay authorized.
        """
        snapshot, early = self._take_snapshot(), dict(self._accepted_early)
        if snapshot == self._snapshot and not early:
            return []
        self._snapshot, before = snapshot, {**self._names, **early}
        self._names = self._load()
        for key in early:
            del self._accepted_early[key]
        return [name for key, name in before.items() if key not in self._names]

    def _load(self) -> Mapping[str, str]:
        names = dict(self._owner)
        for file in sorted(self._folder.glob("*.json")):
            try:
                public_key, name = _load_client(file)
            except ConfigurationError as exc:
                _log.error("a client's key was left out: %s", exc)
            else:
                names[public_key] = name
        return names

    def _take_snapshot(self) -> frozenset[tuple[str, int]]:
        try:
            return frozenset((file.name, file.stat().st_mtime_ns) for file in self._folder.glob("*.json"))
        except OSError:
            return frozenset()  # a file vanished between listing and stat; the next snapshot differs again


def _check_key(text: str) -> None:
    if len(text) != _KEY_CHARS:
        raise ValueError(f"a public key has {_KEY_CHARS} characters")
    try:
        zmq.utils.z85.decode(text)
    except KeyError as exc:  # a character that Z85 does not have
        raise ValueError("a public key is Z85 text (rfc.zeromq.org/spec/32)") from exc
