"""What a page is shown where the daemon is killed or gives no answer, and where the media of the cut is offline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from tests.selva_panel.server.conftest import EXAMPLES
from tests.selva_panel.server.panel_process import Panel, running_panel


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    folder = tmp_path_factory.mktemp("daemon")
    with running_panel(EXAMPLES / "cut.otio", folder=folder) as panel:
        panel.wait_for(lambda state: state["daemon"]["state"] == "ready", "the daemon")
        yield panel


def daemon_of(panel: Panel) -> psutil.Process:
    names = {f"SELVA_{name}_DIR": str(panel.folder / name.lower()) for name in ("STATE", "CACHE", "CONFIG")}
    with Client.connect(paths=AppPaths.find(names)) as client:
        return psutil.Process(next(p.pid for p in client.status().processes if p.role == "server" and p.pid))


def states_until_ready(patches: Iterator[dict[str, object]]) -> list[str]:
    """The states of the daemon as a page sees them change, from the first that is not ready to the next that is."""
    seen: list[str] = []
    for message in patches:
        daemon = message.get("changes", {}).get("daemon")  # type: ignore[attr-defined]
        if daemon and daemon["state"] not in (seen or ["ready"])[-1:]:
            seen.append(daemon["state"])
        if seen[-1:] == ["ready"]:
            return seen
    raise AssertionError(f"the socket was closed after {seen}")


def test_killed_daemon_is_started_again_and_not_called_ready_meanwhile(watched: Panel) -> None:
    killed = daemon_of(watched)
    with watched.events() as patches:
        killed.kill()
        assert states_until_ready(patches) == ["starting", "ready"]
    assert daemon_of(watched).pid != killed.pid


def test_daemon_that_does_not_answer_is_not_called_ready_until_it_does(watched: Panel) -> None:
    held = daemon_of(watched)
    with watched.events() as patches:
        held.suspend()
        try:
            watched.wait_for(lambda state: state["daemon"]["state"] == "silent", "the silence to be shown")
        finally:
            held.resume()
        assert states_until_ready(patches) == ["silent", "ready"]
    assert daemon_of(watched).pid == held.pid


def test_cut_whose_media_is_offline_says_so_when_it_is_looked_at_or_rendered(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.copy(EXAMPLES / "cut.otio", tmp_path / "cut.otio")
    with running_panel(tmp_path / "cut.otio", folder=tmp_path_factory.mktemp("offline")) as panel:
        panel.put_rows({"id": "dog", "name": "Dog", "prompt": "small dog barking"})
        for path in ("/api/look", "/api/render"):
            reply = panel.request("POST", path, {})
            assert reply.status == 409
            message = reply.json()["error"]["message"]
            assert message.startswith("yard cannot be rendered: there is no file at ")
            assert "relink the clip" in message
        assert {clip["problem_code"] for clip in panel.state()["clips"]} == {"media-not-found"}
