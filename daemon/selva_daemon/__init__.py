"""The service that renders, and its client.

    from selva_daemon import Client, CueRequest, JobRequest, OutputRequest, TakeRequest

    with Client.connect(start_if_needed=True) as client:
        submitted = client.submit(request)
        for stem in client.wait(submitted.job_id).raise_for_state().stems:
            print(stem.file)

Names are loaded when they are first used: the settings, for one, need no sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selva_core.base.lazy_import import lazy_names

if TYPE_CHECKING:
    from selva_daemon.client.async_client import AsyncClient
    from selva_daemon.client.client import Client
    from selva_daemon.client.launch import start_daemon
    from selva_daemon.protocol.errors import (
        DaemonError,
        DaemonRefusedError,
        DaemonStartError,
        DaemonTimeoutError,
        DaemonUnavailableError,
        InvalidRequestError,
        JobStateError,
        QueueFullError,
        UnknownJobError,
    )
    from selva_daemon.protocol.job import CueRequest, JobRequest, OutputRequest, SignerFiles, TakeRequest
    from selva_daemon.protocol.status import DaemonStatus, JobStatus, ModelStatus, StemResult, Submitted
    from selva_daemon.settings import DaemonSettings, load_settings

__all__ = [
    "AsyncClient",
    "Client",
    "CueRequest",
    "DaemonError",
    "DaemonRefusedError",
    "DaemonSettings",
    "DaemonStartError",
    "DaemonStatus",
    "DaemonTimeoutError",
    "DaemonUnavailableError",
    "InvalidRequestError",
    "JobRequest",
    "JobStateError",
    "JobStatus",
    "ModelStatus",
    "OutputRequest",
    "QueueFullError",
    "SignerFiles",
    "StemResult",
    "Submitted",
    "TakeRequest",
    "UnknownJobError",
    "load_settings",
    "start_daemon",
]

__getattr__ = lazy_names(
    __name__,
    {
        "AsyncClient": "selva_daemon.client.async_client",
        "Client": "selva_daemon.client.client",
        "start_daemon": "selva_daemon.client.launch",
        "DaemonSettings": "selva_daemon.settings",
        "load_settings": "selva_daemon.settings",
        **dict.fromkeys(
            ("CueRequest", "JobRequest", "OutputRequest", "SignerFiles", "TakeRequest"),
            "selva_daemon.protocol.job",
        ),
        **dict.fromkeys(
            ("DaemonStatus", "JobStatus", "ModelStatus", "StemResult", "Submitted"),
            "selva_daemon.protocol.status",
        ),
        **dict.fromkeys((name for name in __all__ if name.endswith("Error")), "selva_daemon.protocol.errors"),
    },
)
