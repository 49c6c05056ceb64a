"""Fetching published models for the page, by the command that fetches them: a process that a close of the panel ends, and
whose work the next pull goes on with.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from selva_core.base.child_process import own_environment, popen_options, python_executable
from selva_core.base.errors import DownloadError
from selva_core.base.paths import AppPaths
from selva_core.models.catalog import Model, default_models_dir, find_model, missing_files, require_allowed
from selva_core.models.licences import AcceptedLicences
from selva_panel.errors import NothingToDoError, PanelRequestError
from selva_panel.jobs.daemon_link import DaemonLink

POLL_S = 0.5


class ModelPulls:
    """For the thread of the event loop. What is being fetched is in `DaemonLink.pulling`, and so in the state of pages.

    command: of a process with the command line of `selva`.
    """

    def __init__(self, link: DaemonLink, paths: AppPaths, *, command: Sequence[str] = ()) -> None:
        self._link = link
        self._command = command or (python_executable(), "-m", "selva_cli")
        self._paths = paths
        self._tasks: set[asyncio.Task[None]] = set()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def pull(self, name: str, *, accept_licence: bool) -> None:
        """Begin to fetch a model. Raises UnknownModelError, NothingToDoError; PanelRequestError while its licences are not
        accepted.
        """
        model = find_model(name)
        require_allowed(model)
        if not missing_files(model, default_models_dir()):
            raise NothingToDoError(f"{name} is installed already")
        if (self._link.pulling.get(name) or {}).get("state") == "running":
            raise NothingToDoError(f"{name} is being fetched already")
        new = AcceptedLicences(self._paths.licences_file).not_accepted(model.licences)
        if new and not accept_licence:
            sentences = " ".join(licence.sentence for licence in new)
            raise PanelRequestError(f"accept the licences of {name} first: {sentences}")
        self._show(name, state="running", done=0.0, message="")
        task = asyncio.create_task(self._run(model))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, name: str) -> None:
        """End a pull; what came stays, and the next one goes on with it. Raises NothingToDoError where none runs."""
        process = self._processes.pop(name, None)
        if process is None:
            raise NothingToDoError(f"{name} is not being fetched")
        process.terminate()

    async def close(self) -> None:
        for process in self._processes.values():
            process.terminate()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, model: Model) -> None:
        folder = default_models_dir()
        missing = missing_files(model, folder).values()
        wanted = max(sum({file.relative_path: file.stored_bytes for file in missing}.values()), 1)
        before = await asyncio.to_thread(_size_of, folder)
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [
                *self._command,
                "models",
                "pull",
                model.model_id,
                "--accept-licence",
                "--json",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=own_environment(os.environ),
            **popen_options(own_group=True),
        )
        self._processes[model.model_id] = process
        output = asyncio.create_task(asyncio.to_thread(process.communicate))
        while not output.done():
            done = (await asyncio.to_thread(_size_of, folder) - before) / wanted
            self._show(model.model_id, state="running", done=round(min(max(done, 0.0), 0.99), 3), message="")
            await asyncio.wait([output], timeout=POLL_S)
        text, _ = await output
        was_cancelled = self._processes.pop(model.model_id, None) is not process
        if process.returncode == 0 or was_cancelled:
            self._link.pulling.pop(model.model_id, None)
        else:
            self._show(model.model_id, state="failed", done=0.0, **_error_of(text))
        self._link.show_models()
        await self._link.poll()

    def _show(self, name: str, **pull: Any) -> None:
        self._link.pulling[name] = pull
        self._link.show_models()


def _size_of(folder: Path) -> int:
    """Bytes below a folder, those of files that are still being fetched among them."""
    total = 0
    for file in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _error_of(output: bytes) -> dict[str, str]:
    """Message and code that the command reported with --json."""
    with suppress(ValueError, AttributeError, KeyError, TypeError):
        error = json.loads(output)["error"]
        return {"message": str(error["message"]), "code": str(error.get("code", ""))}
    message = "the download ended without saying why; try again, or run: selva models pull"
    return {"message": message, "code": DownloadError.code}
