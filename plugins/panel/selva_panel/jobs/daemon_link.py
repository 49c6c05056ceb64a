"""The panel's connection to the daemon: started when it is needed, watched while a page is open, lost without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from selva_core.base.errors import SelvaError
from selva_core.base.paths import AppPaths
from selva_core.models.catalog import find_model
from selva_core.models.licences import AcceptedLicences, Licence
from selva_daemon.client.async_client import AsyncClient
from selva_daemon.client.launch import start_daemon
from selva_daemon.protocol.connection import read_connection
from selva_daemon.protocol.errors import (
    DaemonError,
    DaemonStartError,
    DaemonUnavailableError,
    InvalidRequestError,
    UnknownRequestError,
)
from selva_daemon.protocol.status import QUEUED, RUNNING, DaemonStatus, JobStatus, ModelStatus
from selva_panel.session.session import Session
from selva_render.options import choose_model

POLL_S = 1.0
IDLE_POLL_S = 5.0
"""While no page is open and nothing is under way."""
MODELS_EVERY = 10
"""Polls: the models that are installed change when somebody fetches one."""
SILENT_AFTER_S = 2.5
"""How long a daemon that runs may take to say how it is, before the page no longer calls it ready."""
ESTIMATE_FROM_JOBS = 50
MAX_LISTED = 200


class DaemonLink:
    """One client for all that the panel asks. Raises nothing from `run`: what goes wrong is in the state that pages see."""

    def __init__(self, session: Session, paths: AppPaths) -> None:
        self._session = session
        self._paths = paths
        self._client: AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._num_polls = 0
        self._models: Sequence[ModelStatus] = ()
        self.pulling: dict[str, dict[str, Any]] = {}

    async def client(self) -> AsyncClient:
        """The connected client; a daemon is started where none runs. Raises DaemonError."""
        async with self._connecting:
            if self._client is None:
                self._show(state="starting", message="", code="")
                try:
                    self._client = await AsyncClient.connect(start_if_needed=True, paths=self._paths)
                    await self._load_in_advance(self._client)
                except SelvaError as error:
                    self._show_error(error, "broken" if isinstance(error, DaemonStartError) else "absent")
                    raise
            return self._client

    async def _load_in_advance(self, client: AsyncClient) -> None:
        """A person who opens the panel is likely to look or render."""
        with suppress(UnknownRequestError, InvalidRequestError):
            await client.prepare(choose_model(self._session.model))

    async def run(self) -> None:
        """Look after the daemon until the task is cancelled."""
        while True:
            await self.poll()
            is_watched = self._session.hub.num_pages or self._session.unfinished_jobs or self.pulling
            await asyncio.sleep(POLL_S if is_watched else IDLE_POLL_S)

    async def poll(self) -> None:
        """Ask for the daemon's state once, and show it."""
        try:
            client = await self.client()
            await self._start_again(client)
            status = await self._status_of(client)
            listed = await client.jobs(states=[QUEUED, RUNNING], limit=MAX_LISTED)
            if self._num_polls % MODELS_EVERY == 0:
                self._models = await client.models()
                await self._estimate(client)
            self._num_polls += 1
        except DaemonError as error:
            self.lose(error)
        except SelvaError as error:
            self._show_error(error, "broken")
        else:
            self._show_status(status)
            self._show_others(listed)

    async def _start_again(self, client: AsyncClient) -> None:
        """Start a daemon whose process has gone. The client stays: it connects anew by itself, and what waits for an answer
        goes to the new daemon. Raises DaemonError.
        """
        try:
            if (await asyncio.to_thread(read_connection, self._paths.connection_file)).process_is_alive:
                return
        except DaemonUnavailableError:
            pass  # it has ended in good order, and has taken its file away
        self._show(state="starting", message="", code="")
        await asyncio.to_thread(start_daemon, self._paths)
        await self._load_in_advance(client)

    async def _status_of(self, client: AsyncClient) -> DaemonStatus:
        """The daemon's state; while one that runs gives no answer, that is shown. Raises DaemonError."""
        asking = asyncio.ensure_future(client.status())
        try:
            done, _ = await asyncio.wait([asking], timeout=SILENT_AFTER_S)
            if not done and self._session.daemon["state"] == "ready":
                self._show(state="silent", message="", code="")
            return await asking
        finally:
            asking.cancel()

    def lose(self, error: SelvaError) -> None:
        """The daemon does not answer: connect anew at the next poll."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._show_error(error, "broken")

    def _show_error(self, error: SelvaError, state: str) -> None:
        self._show(state=state, message=error.message, code=error.code)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def show_models(self) -> None:
        """What is being fetched, or installed, has changed."""
        self._num_polls = 0
        self._show(models=self._describe_models())

    async def _estimate(self, client: AsyncClient) -> None:
        """How long the last stems of the model took, without waiting in the queue."""
        done = [
            job
            for job in await client.jobs(states=["done"], limit=ESTIMATE_FROM_JOBS)
            if job.model == self._session.model
        ]
        spans = [
            (job.finished_s - job.started_s, job.num_stems)
            for job in done
            if job.finished_s is not None and job.started_s is not None
        ]
        num_stems = sum(count for _, count in spans)
        estimate = sum(seconds for seconds, _ in spans) / num_stems if num_stems else None
        if estimate != self._session.seconds_per_stem:
            self._session.seconds_per_stem = estimate
            self._session.touch("estimate")

    def _show_status(self, status: DaemonStatus) -> None:
        model = None
        with suppress(SelvaError):
            model = choose_model(self._session.record.model)
        self._show(
            state="ready",
            message="; ".join(process.problem for process in status.processes if process.problem),
            code="",
            model=model,
            device=status.device,
            yielded=status.yielded,
            paused=status.paused,
            queue=dict(status.queue),
            models=self._describe_models(),
        )

    def _describe_models(self) -> list[dict[str, Any]]:
        accepted = AcceptedLicences(self._paths.licences_file)
        described = []
        for model in self._models:
            licences: tuple[Licence, ...] = ()
            with suppress(SelvaError):  # a model of a daemon of another version
                licences = find_model(model.model).licences
            described.append(
                {
                    "name": model.model,
                    "knows": model.knows,
                    "installed": model.installed,
                    "bytes": model.size_bytes,
                    "licence": "\n".join(model.licences),
                    "licence_accepted": model.bundled or not accepted.not_accepted(licences),
                    "pull": self.pulling.get(model.model),
                }
            )
        return described

    def _show_others(self, listed: Sequence[JobStatus]) -> None:
        own = {job.id for job in self._session.record.jobs}
        others = [describe_other(job) for job in listed if job.job_id not in own]
        if others != self._session.others:
            self._session.others = others
            self._session.touch("jobs")

    def _show(self, **changes: Any) -> None:
        daemon = {**self._session.daemon, **changes}
        if daemon != self._session.daemon:
            is_other_model = daemon["model"] != self._session.daemon["model"]
            self._session.daemon = daemon
            self._session.touch("daemon", *(("estimate", "suggestions") if is_other_model else ()))


def describe_other(job: JobStatus) -> dict[str, Any]:
    """A job of another client: its name, and how far it is."""
    return {
        "id": job.job_id,
        "kind": "other",
        "row_ids": [],
        "clip_ids": [],
        "state": job.state,
        "stage": job.stage,
        "done": round(job.fraction, 3),
        "seconds_left": job.seconds_left,
        "mine": False,
        "message": job.label,
    }
