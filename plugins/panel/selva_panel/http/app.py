"""The routes of the panel. Each turns a request into one call of the session or of what works for it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from selva_core.base.errors import SelvaError
from selva_panel.errors import AccessRefusedError, NotThereError, StaleRevisionError
from selva_panel.http.bodies import Handler, error_response, fault_response, json_bytes, read_body, read_int
from selva_panel.http.events import EventsEndpoint
from selva_panel.http.security import AccessControl, SecurityMiddleware
from selva_panel.http.static_files import list_static_files
from selva_panel.media.library import MediaLibrary
from selva_panel.session.session import Session
from selva_panel.timeline.rows import RowsBody

_log = logging.getLogger(__name__)


class PanelApp:
    """The handlers; `asgi` is the application with its security."""

    def __init__(self, session: Session, library: MediaLibrary, access: AccessControl) -> None:
        self._session = session
        self._library = library
        self._access = access

    def asgi(self) -> ASGIApp:
        return SecurityMiddleware(
            Starlette(routes=self._routes(), middleware=list[Middleware]()), self._access
        )

    def _routes(self) -> list[BaseRoute]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/open", self._open),
            ("POST", "/api/links", self._new_link),
            ("GET", "/api/state", self._state),
            ("PUT", "/api/rows", self._put_rows),
            ("GET", "/api/clips/{clip_id}/strip", self._strip),
            ("GET", "/api/media/{media_id}", self._media),
            ("GET", "/api/media/{media_id}/status", self._media_status),
        ]
        routes: list[BaseRoute] = [
            Route(path, _guarded(handler), methods=[method]) for method, path, handler in table
        ]
        routes.append(WebSocketRoute("/api/events", EventsEndpoint(self._session).serve))
        for path, file in list_static_files().items():
            routes.append(Route(path, _static(str(file.path), file.mime), methods=["GET"]))
        return routes

    # -- access --------------------------------------------------------------------------------------------

    async def _open(self, request: Request) -> Response:
        if request.method != "GET" or not self._access.take_token(request.query_params.get("token", "")):
            error = AccessRefusedError(
                "this link was used already, or is too old; run selva panel again for a new one"
            )
            return PlainTextResponse(f"{error.message}\n", status_code=error.http_status)
        response = RedirectResponse("/", status_code=303)
        response.headers["set-cookie"] = self._access.cookie_header()
        return response

    async def _new_link(self, request: Request) -> Response:
        return JSONResponse({"url": self._access.new_link()})

    # -- state ---------------------------------------------------------------------------------------------

    async def _state(self, request: Request) -> Response:
        return _json(self._session.state())

    async def _put_rows(self, request: Request) -> Response:
        body = await read_body(request, RowsBody)
        try:
            revision = self._session.put_rows(body.revision, body.rows)
        except StaleRevisionError as error:
            content = {
                "error": {"code": error.code, "message": error.message, "remedy": error.remedy},
                "state": self._session.state(),
            }
            return _json(content, status=error.http_status)
        return _json({"revision": revision})

    # -- picture -------------------------------------------------------------------------------------------

    async def _strip(self, request: Request) -> Response:
        file = await asyncio.to_thread(
            self._library.strip,
            request.path_params["clip_id"],
            width_px=read_int(request, "width", 96),
            count=read_int(request, "count", 1),
        )
        return FileResponse(file, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    async def _media(self, request: Request) -> Response:
        status = self._library.status(request.path_params["media_id"])
        if status.file is None:
            raise NotThereError(
                status.message or "the picture is still being made ready; try again in a moment"
            )
        return FileResponse(status.file, media_type=status.mime)

    async def _media_status(self, request: Request) -> Response:
        return _json(self._library.status(request.path_params["media_id"]).to_json())


def _json(content: Any, *, status: int = 200) -> Response:
    return Response(json_bytes(content), status_code=status, media_type="application/json")


def _static(path: str, mime: str) -> Handler:
    async def serve(request: Request) -> Response:
        return FileResponse(path, media_type=mime)

    return serve


def _guarded(handler: Handler) -> Handler:
    """Whatever goes wrong becomes a JSON error; the server goes on."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except SelvaError as error:
            return error_response(error)
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.url.path)
            return fault_response(error)

    return guarded
