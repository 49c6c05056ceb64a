"""The socket of a page: patches of the state and the progress of jobs go out, and nothing that comes in is acted on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from selva_panel.http.bodies import json_bytes
from selva_panel.session.session import Session

_GOING_AWAY = 1001


class EventsEndpoint:
    """One socket for each open page."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def serve(self, socket: WebSocket) -> None:
        await socket.accept()
        with self._session.hub.subscribe() as queue:
            reader = asyncio.ensure_future(_read_until_closed(socket))
            writer = asyncio.ensure_future(_write(socket, queue))
            try:
                await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (reader, writer):
                    task.cancel()
                await asyncio.gather(reader, writer, return_exceptions=True)


async def _read_until_closed(socket: WebSocket) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return


async def _write(socket: WebSocket, queue: asyncio.Queue[Mapping[str, Any] | None]) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        while (message := await queue.get()) is not None:
            await socket.send_text(json_bytes(message).decode())
        await socket.close(_GOING_AWAY)
