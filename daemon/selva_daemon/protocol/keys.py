"""CURVE keys: the server's pair and the owner's pair (for those of further clients see `authorized_keys`).

Both pairs are made at the first start and stored in `keys.json`, which only the owner can read. The server's secret is in no
other file.
"""

from __future__ import annotations

import msgspec
import zmq

from selva_core.base.errors import StorageError
from selva_core.base.paths import MAX_PRIVATE_FILE_BYTES, AppPaths, is_private, write_private_file
from selva_core.base.regular_file import read_bounded


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """A CURVE pair in Z85 text (rfc.zeromq.org/spec/32); the secret does not show in repr."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r}, secret=...)"

    @classmethod
    def generate(cls) -> KeyPair:
        public, secret = zmq.curve_keypair()
        return cls(public=public.decode("ascii"), secret=secret.decode("ascii"))

    def check(self) -> None:
        """Raises ValueError unless the halves belong together."""
        if zmq.curve_public(self.secret.encode("ascii")) != self.public.encode("ascii"):
            raise ValueError("the public key does not belong to the secret")


class DaemonKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `keys.json`."""

    server: KeyPair
    owner: KeyPair


def ensure_keys(paths: AppPaths) -> DaemonKeys:
    """Load the keys, or make them at the first start.

    Raises StorageError when the file cannot be read, or when others can read it: then its secrets may be known.
    """
    file = paths.keys_file
    if not file.exists():
        keys = DaemonKeys(server=KeyPair.generate(), owner=KeyPair.generate())
        write_private_file(file, msgspec.json.format(msgspec.json.encode(keys), indent=1))
        return keys
    if not is_private(file):
        raise StorageError(
            f"{file} can be read by others, so its keys cannot be trusted; delete it and start again",
            path=str(file),
        )
    try:
        keys = msgspec.json.decode(read_bounded(file, MAX_PRIVATE_FILE_BYTES), type=DaemonKeys)
        keys.server.check()
        keys.owner.check()
    except (OSError, ValueError, msgspec.MsgspecError) as exc:
        raise StorageError(f"{file} does not hold keys; delete it and start again", path=str(file)) from exc
    return keys
