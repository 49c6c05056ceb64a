"""Bodies and queries of requests, read with every fault named, and errors as responses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from selva_core.base.errors import SelvaError
from selva_panel.errors import PanelError, PanelRequestError

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]
_STATUS_OF_OTHERS = 422
_FAULT = 500


async def read_body(request: Request, kind: type[T]) -> T:
    """The JSON body as a struct. Raises PanelRequestError, BodyTooLargeError."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise PanelRequestError(f"a body is application/json; got {content_type!r:.60}")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise PanelRequestError(f"the body is not as the panel's API has it: {exc}") from exc


def read_int(request: Request, name: str, default: int) -> int:
    """A whole number of the query. Raises PanelRequestError."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise PanelRequestError(f"{name} is a whole number; got {text!r:.40}")
    return int(text)


def error_response(error: SelvaError) -> Response:
    status = error.http_status if isinstance(error, PanelError) else _STATUS_OF_OTHERS
    return json_response({"error": describe_error(error)}, status=status)


def describe_error(error: SelvaError) -> dict[str, str]:
    remedy = error.remedy if isinstance(error, PanelError) else ""
    return {"code": error.code, "message": error.message, "remedy": remedy}


def fault_response(error: Exception) -> Response:
    """For a fault of this program; the traceback is in the log of the panel."""
    message = f"a fault in the panel ({type(error).__name__}: {error})"
    content = {"error": {"code": "internal", "message": message, "remedy": "Reload the page."}}
    return json_response(content, status=_FAULT)


def json_response(content: object, *, status: int = 200) -> Response:
    return Response(json_bytes(content), status_code=status, media_type="application/json")


def json_bytes(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
