"""Routes of what the daemon does, and of the stems that come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from selva_panel.delivery.chosen import stem_gone
from selva_panel.http.bodies import Handler, json_response, read_body, read_int
from selva_panel.http.services import Services
from selva_panel.media.peaks import read_peaks
from selva_panel.timeline.rows import MAX_OVERRIDES, MAX_ROWS, Id, Prompt, Seed
from selva_render.options import choose_model


class RenderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    row_ids: Annotated[tuple[Id, ...], Meta(max_length=MAX_ROWS)] = ()
    clip_ids: Annotated[tuple[Id, ...], Meta(max_length=MAX_OVERRIDES)] = ()
    more_like: Id | None = None


class ChoiceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    choice: str | None = None
    active: bool | None = None


class ModelBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=64)]


class RedoBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stem_id: Id
    from_samples: Annotated[int, Meta(ge=0)]
    to_samples: Annotated[int, Meta(ge=1)]
    prompt: Prompt | None = None
    seed: Seed | None = None


class PullBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    accept_licence: bool = False


class EmptyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that says all by its path."""


class WorkRoutes:
    def __init__(self, services: Services) -> None:
        self._session = services.session
        self._work = services.work
        self._link = services.link
        self._models = services.models

    def table(self) -> Sequence[tuple[str, str, Handler]]:
        return (
            ("POST", "/api/look", self._look),
            ("POST", "/api/render", self._render),
            ("POST", "/api/redo", self._redo),
            ("DELETE", "/api/jobs", self._cancel_all),
            ("DELETE", "/api/jobs/{job_id}", self._cancel),
            ("POST", "/api/yield", self._release_device),
            ("PUT", "/api/model", self._choose_model),
            ("POST", "/api/models/{name}/pull", self._pull),
            ("DELETE", "/api/models/{name}/pull", self._cancel_pull),
            ("PUT", "/api/stems/{stem_id}", self._choose),
            ("GET", "/api/stems/{stem_id}/audio", self._audio),
            ("GET", "/api/stems/{stem_id}/peaks", self._peaks),
        )

    async def _look(self, request: Request) -> Response:
        await read_body(request, EmptyBody)
        job_ids = await self._work.look()
        return json_response({"job_id": job_ids[0] if job_ids else None, "job_ids": job_ids})

    async def _render(self, request: Request) -> Response:
        body = await read_body(request, RenderBody)
        job_ids = await self._work.render(
            row_ids=set(body.row_ids), clip_ids=set(body.clip_ids), more_like=body.more_like
        )
        return json_response({"job_ids": job_ids})

    async def _redo(self, request: Request) -> Response:
        body = await read_body(request, RedoBody)
        job_id = await self._work.redo(
            body.stem_id,
            from_samples=body.from_samples,
            to_samples=body.to_samples,
            prompt=body.prompt,
            seed=body.seed,
        )
        return json_response({"job_id": job_id})

    async def _pull(self, request: Request) -> Response:
        body = await read_body(request, PullBody)
        self._models.pull(request.path_params["name"], accept_licence=body.accept_licence)
        return json_response({"daemon": self._session.daemon})

    async def _cancel_pull(self, request: Request) -> Response:
        self._models.cancel(request.path_params["name"])
        return json_response({"daemon": self._session.daemon})

    async def _cancel(self, request: Request) -> Response:
        job = self._session.job(request.path_params["job_id"])
        await self._work.cancel([job.id])
        return json_response({"job_ids": [job.id]})

    async def _cancel_all(self, request: Request) -> Response:
        job_ids = [job.id for job in self._session.unfinished_jobs]
        await self._work.cancel(job_ids)
        return json_response({"job_ids": job_ids})

    async def _release_device(self, request: Request) -> Response:
        await read_body(request, EmptyBody)
        await self._work.release_device()
        return json_response({"daemon": self._session.daemon})

    async def _choose_model(self, request: Request) -> Response:
        body = await read_body(request, ModelBody)
        self._session.record.model = await asyncio.to_thread(choose_model, body.name)
        self._session.touch("estimate", "suggestions")
        await self._link.poll()
        return json_response({"model": self._session.record.model})

    async def _choose(self, request: Request) -> Response:
        body = await read_body(request, ChoiceBody)
        revision = self._session.choose(
            request.path_params["stem_id"], choice=body.choice, active=body.active
        )
        return json_response({"revision": revision})

    async def _audio(self, request: Request) -> Response:
        return FileResponse(self._stem_file(request), media_type="audio/wav")

    async def _peaks(self, request: Request) -> Response:
        file = self._stem_file(request)
        return json_response(await asyncio.to_thread(read_peaks, file, read_int(request, "count", 1000)))

    def _stem_file(self, request: Request) -> Path:
        """Raises NotThereError."""
        stem = self._session.stem(request.path_params["stem_id"])
        file = Path(stem.file)
        if not file.is_file():
            raise stem_gone(stem)
        return file
