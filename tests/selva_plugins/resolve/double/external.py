"""The other end of `fusionscript`: serves one Resolve to programs outside, over a local port."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

from tests.selva_plugins.resolve.double.host import Handle, Host

LIBRARY = Path(__file__).with_name("fusionscript.py")


class ExternalDoor:
    """A Resolve that programs can reach. Use as a context manager; `environment` is what they need."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._handles: list[Handle] = []
        self._closing = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "RESOLVE_SCRIPT_LIB": str(LIBRARY),
            "SELVA_TEST_RESOLVE_PORT": str(self._socket.getsockname()[1]),
        }

    def __enter__(self) -> ExternalDoor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        self._socket.settimeout(0.1)
        while not self._closing.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(None)
            with connection, connection.makefile("rw", encoding="utf-8") as line:
                for request in line:
                    answer = self._answer(json.loads(request))
                    if answer is _SILENCE:
                        break
                    line.write(json.dumps(self._encode(answer)) + "\n")
                    line.flush()

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["op"] == "scriptapp":
            return self._host.resolve_handle() if self._host.build.external_scripting else None
        handle = self._handles[message["object"]]
        if message["op"] == "look":
            what = self._host.attribute(handle, message["name"])
            return self._host.constant(message["name"]) if what == "constant" else what
        if message["name"] in self._host.hangs_on:
            while not self._closing.is_set():  # as a call does while a dialog is open
                time.sleep(0.01)
            return _SILENCE
        return self._host.call(handle, message["name"], self._decode(message["arguments"]))

    def _encode(self, value: Any) -> Any:
        if isinstance(value, Handle):
            self._handles.append(value)
            return {"object": len(self._handles) - 1}
        if isinstance(value, list):
            return [self._encode(item) for item in value]
        if isinstance(value, dict):
            return {"pairs": [[key, self._encode(item)] for key, item in value.items()]}
        return value

    def _decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decode(item) for item in value]
        if isinstance(value, dict):
            if "object" in value:
                return self._handles[value["object"]]
            return {key: self._decode(item) for key, item in value["pairs"]}
        return value


_SILENCE = object()
