"""Routes of what leaves the panel: placements, files, the page to send, and the notes that come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from selva_panel.delivery.director_notes import NotesFile, import_notes
from selva_panel.http.bodies import Handler, json_response, read_body
from selva_panel.http.services import Services
from selva_panel.http.work_routes import EmptyBody

FileTitle = Annotated[str, Meta(max_length=200)]


class PlanBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """path: the name of the file that is written, without a folder."""

    target: Annotated[str, Meta(max_length=40)]
    path: FileTitle = ""


class PlaceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan_id: Annotated[str, Meta(max_length=64)]


class SaveBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: Annotated[str, Meta(max_length=40)]
    name: FileTitle = ""


class ExportBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """language: of the page that is sent; the one that the panel's page is in."""

    language: Annotated[str, Meta(max_length=10)] = "en"


class DeliveryRoutes:
    def __init__(self, services: Services) -> None:
        self._deliveries = services.deliveries
        self._session = services.session
        self._session_id = services.session_id
        self._library = services.library

    def table(self) -> Sequence[tuple[str, str, Handler]]:
        return (
            ("POST", "/api/place/plan", self._plan),
            ("POST", "/api/place", self._place),
            ("POST", "/api/place/remove", self._remove),
            ("POST", "/api/save", self._save),
            ("POST", "/api/export", self._export),
            ("POST", "/api/notes/import", self._import_notes),
            ("GET", "/api/download/{download_id}", self._download),
        )

    async def _plan(self, request: Request) -> Response:
        body = await read_body(request, PlanBody)
        return json_response(await self._deliveries.plan(body.target, body.path))

    async def _place(self, request: Request) -> Response:
        body = await read_body(request, PlaceBody)
        return json_response(await self._deliveries.place(body.plan_id))

    async def _remove(self, request: Request) -> Response:
        await read_body(request, EmptyBody)
        return json_response(await self._deliveries.remove())

    async def _save(self, request: Request) -> Response:
        body = await read_body(request, SaveBody)
        return json_response(await self._deliveries.save(body.format, body.name))

    async def _export(self, request: Request) -> Response:
        body = await read_body(request, ExportBody)
        download_id = await self._deliveries.export(
            self._library.flat_movie, session_id=self._session_id, language=body.language
        )
        return json_response({"download_id": download_id})

    async def _import_notes(self, request: Request) -> Response:
        file = await read_body(request, NotesFile)
        return json_response(import_notes(self._session, file, session_id=self._session_id))

    async def _download(self, request: Request) -> Response:
        download = self._deliveries.download(request.path_params["download_id"])
        return FileResponse(download.file, media_type="application/octet-stream", filename=download.name)
