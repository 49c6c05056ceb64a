"""The application: all routes behind the security, and every error as JSON."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from selva_core.base.errors import SelvaError
from selva_panel.http.bodies import Handler, error_response, fault_response
from selva_panel.http.delivery_routes import DeliveryRoutes
from selva_panel.http.events import EventsEndpoint
from selva_panel.http.page_routes import PageRoutes
from selva_panel.http.security import SecurityMiddleware
from selva_panel.http.services import Services
from selva_panel.http.static_files import list_static_files
from selva_panel.http.work_routes import WorkRoutes

_log = logging.getLogger(__name__)


def build_app(services: Services) -> ASGIApp:
    """The application of one panel."""
    routes: list[BaseRoute] = [
        Route(path, _guarded(handler), methods=[method])
        for group in (PageRoutes(services), WorkRoutes(services), DeliveryRoutes(services))
        for method, path, handler in group.table()
    ]
    routes.append(WebSocketRoute("/api/events", EventsEndpoint(services.session).serve))
    for path, file in list_static_files().items():
        routes.append(Route(path, _static(str(file.path), file.mime), methods=["GET"]))
    return SecurityMiddleware(Starlette(routes=routes), services.access)


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
