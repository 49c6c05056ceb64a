"""Further clients, such as other machines: who they are by key, invited and revoked one by one.

Each is a file NAME.json, `{"name": ..., "public_key": ...}`, in the configuration's `clients` folder. The daemon
notices when one comes or goes; the secret half is only in the connection file that the client was given.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import zmq.utils.z85

from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError
from selva_core.base.paths import ensure_private_folder, write_private_file
from selva_daemon.protocol.keys import KeyPair

OWNER = "owner"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_KEY_CHARS = 40
_log = logging.getLogger(__name__)


def load_clients(folder: Path) -> dict[str, str]:
    """Public key → name of every further client. Raises ConfigurationError for a file that is not one."""
    return dict(_load_client(file) for file in sorted(folder.glob("*.json")))


def _load_client(file: Path) -> tuple[str, str]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        name, public_key = values["name"], values["public_key"]
        if name == OWNER or not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a client's name")
        _check_key(public_key)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            f"{file} is not a client key: {exc}. It is a JSON object with a name and a public_key",
            path=str(file),
        ) from exc
    return public_key, name


def add_client(folder: Path, name: str) -> KeyPair:
    """Make a pair, let its public half in, and return it; the secret is kept nowhere else.

    Raises ConfigurationError for a name that is taken or is none, StorageError.
    """
    if name == OWNER or not _NAME.fullmatch(name):
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
    content = json.dumps({"name": name, "public_key": pair.public}, indent=1)
    write_private_file(folder / f"{name}.json", content.encode("ascii"))
    return pair


def remove_client(folder: Path, name: str) -> None:
    """Take access away. Raises ConfigurationError when there is no such client."""
    clients = load_clients(folder)
    if name not in clients.values():
        known = ", ".join(sorted(clients.values())) or "none"
        raise ConfigurationError(f"there is no client {name!r}; known are: {known}", name=name)
    for file in folder.glob("*.json"):
        if _load_client(file)[1] == name:
            file.unlink()


class AuthorizedKeys:
    """Who may come in, by public key (Z85 text). Read by the door-keeper's thread, renewed by the server's."""

    def __init__(self, folder: Path, *, owner_key: str) -> None:
        """Raises ConfigurationError for a file that is no client key."""
        self._folder = folder
        self._owner = {owner_key: OWNER}
        self._seen = self._look()
        self._names: Mapping[str, str] = self._owner | load_clients(folder)
        self._let_in_early: dict[str, str] = {}

    @property
    def has_others(self) -> bool:
        return len(self._names) > 1

    def name_of(self, public_key: str) -> str | None:
        """Also of one who was invited a moment ago, before `renew`."""
        if public_key in self._names or self._look() == self._seen:
            return self._names.get(public_key)
        name = self._load().get(public_key)
        if name is not None:
            self._let_in_early[public_key] = name  # who is invited, comes in and is revoked between two looks
        return name

    def renew(self) -> list[str]:
        """Read the folder again if it has changed; returns the names of those whose access was taken away.

        A file that is wrong lets nobody in, and keeps nobody else out.
        """
        seen, early = self._look(), dict(self._let_in_early)
        if seen == self._seen and not early:
            return []
        self._seen, before = seen, {**self._names, **early}
        self._names = self._load()
        for key in early:
            del self._let_in_early[key]
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

    def _look(self) -> frozenset[tuple[str, int]]:
        try:
            return frozenset((file.name, file.stat().st_mtime_ns) for file in self._folder.glob("*.json"))
        except OSError:
            return frozenset()  # a file went between listing and looking: the next look is another


def _check_key(text: str) -> None:
    if len(text) != _KEY_CHARS:
        raise ValueError(f"a public key has {_KEY_CHARS} characters")
    zmq.utils.z85.decode(text)
