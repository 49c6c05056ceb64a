"""Variables that Ray reads when it is imported, so before anything imports it; and the folder of a Ray of our own."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path

from selva_core.base.settings.checks import OWN_RAY
from selva_daemon.protocol.connection import process_is_alive

HEAD_PATIENCE_S = 20
"""After so long without the head Ray ends the process; by default after 60 s."""
_FOLDER = re.compile(r"selva-ray-(\d+)-\w+")
_SHORT = Path("/tmp")  # noqa: S108 - what is made in it has a name of its own and is closed to others


def prepare(executor: str) -> Path | None:
    """Set what the user has not set. executor: the setting. Returns the folder that a Ray of our own is to use and that is
    removed after it; None where the user has chosen one, or where Ray runs already.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEAD_PATIENCE_S))
    if executor != OWN_RAY:
        return None
    # So named for the systems where this is the default: Ray then binds to loopback and to no other address.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if "RAY_AUTH_MODE" not in os.environ:
        # Other users of this machine reach loopback too. The token lives in the memory of these processes only.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    return None if "RAY_TMPDIR" in os.environ else make_own_folder()


def make_own_folder(parent: Path | None = None) -> Path:
    """A folder for the sockets and logs of one Ray, closed to other users; those of processes that have ended are removed.

    Ray's own, /tmp/ray, belongs to the user who was the first to start one, is open to all, and grows with every start. Sockets
    lie in it, whose paths have at most 103 characters on macOS, and a TMPDIR there has 49.
    """
    parent = parent or (_SHORT if os.name == "posix" else Path(tempfile.gettempdir()))
    for each in parent.glob("selva-ray-*"):
        named = _FOLDER.fullmatch(each.name)
        if named is not None and not process_is_alive(int(named[1])):
            shutil.rmtree(each, ignore_errors=True)  # another user's stays
    return Path(tempfile.mkdtemp(prefix=f"selva-ray-{os.getpid()}-", dir=parent))
