"""Variables that Ray reads when it is imported, so before anything imports it."""

from __future__ import annotations

import os
import secrets

from selva_core.base.settings.checks import OWN_RAY

HEAD_PATIENCE_S = 20
"""After so long without the head Ray ends the process; by default after 60 s."""


def prepare(executor: str) -> None:
    """Set what the user has not set. executor: the setting."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEAD_PATIENCE_S))
    if executor != OWN_RAY:
        return
    # So named for the systems where this is the default: Ray then binds to loopback and to no other address.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if "RAY_AUTH_MODE" not in os.environ:
        # Other users of this machine reach loopback too. The token lives in the memory of these processes only.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
