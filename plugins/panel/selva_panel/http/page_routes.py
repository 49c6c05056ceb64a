"""Routes of the page itself, of its state, and of the picture."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from selva_panel.errors import AccessRefusedError, NotThereError, StaleRevisionError
from selva_panel.http.bodies import Handler, describe_error, json_response, read_body, read_int
from selva_panel.http.services import Services
from selva_panel.timeline.rows import RowsBody

_STRIPS_STAY = {"cache-control": "private, max-age=3600"}
"""A strip's URL names its clip by content."""


class PageRoutes:
    def __init__(self, services: Services) -> None:
        self._session = services.session
        self._library = services.library
        self._access = services.access

    def table(self) -> Sequence[tuple[str, str, Handler]]:
        return (
            ("GET", "/open", self._open),
            ("POST", "/api/links", self._new_link),
            ("GET", "/api/state", self._state),
            ("PUT", "/api/rows", self._put_rows),
            ("GET", "/api/clips/{clip_id}/strip", self._strip),
            ("GET", "/api/production/audio", self._production),
            ("GET", "/api/media/{media_id}", self._media),
            ("GET", "/api/media/{media_id}/status", self._media_status),
        )

    async def _open(self, request: Request) -> Response:
        if request.method != "GET" or not self._access.take_token(request.query_params.get("token", "")):
            if self._access.is_cookie(request.headers.get("cookie", "")):  # a tab that the browser restores
                return RedirectResponse("/", status_code=303)
            error = AccessRefusedError(
                "this link was used already, or is too old; run selva panel again for a new one"
            )
            return PlainTextResponse(f"{error.message}\n", status_code=error.http_status)
        response = RedirectResponse("/", status_code=303)
        response.headers["set-cookie"] = self._access.cookie_header()
        return response

    async def _new_link(self, request: Request) -> Response:
        return json_response({"url": self._access.new_link()})

    async def _state(self, request: Request) -> Response:
        return json_response(self._session.state())

    async def _put_rows(self, request: Request) -> Response:
        body = await read_body(request, RowsBody)
        try:
            revision = self._session.put_rows(body.revision, body.rows)
        except StaleRevisionError as error:
            content = {"error": describe_error(error), "state": self._session.state()}
            return json_response(content, status=error.http_status)
        return json_response({"revision": revision})

    async def _strip(self, request: Request) -> Response:
        file = await asyncio.to_thread(
            self._library.strip,
            request.path_params["clip_id"],
            width_px=read_int(request, "width", 96),
            count=read_int(request, "count", 1),
        )
        return FileResponse(file, media_type="image/jpeg", headers=_STRIPS_STAY)

    async def _production(self, request: Request) -> Response:
        file = await asyncio.to_thread(self._library.production_sound)
        return FileResponse(file, media_type="audio/wav")

    async def _media(self, request: Request) -> Response:
        status = self._library.status(request.path_params["media_id"])
        if status.file is None:
            raise NotThereError(
                status.message or "the picture is still being made ready; try again in a moment"
            )
        return FileResponse(status.file, media_type=status.mime)

    async def _media_status(self, request: Request) -> Response:
        return json_response(self._library.status(request.path_params["media_id"]).to_json())
