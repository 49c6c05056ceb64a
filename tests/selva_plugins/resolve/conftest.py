"""Fixtures: a Resolve of a given build, and the rule that silent mistakes fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from selva_core.base.paths import AppPaths
from tests.selva_plugins.resolve.access import Access, AgentAccess, StudioAccess
from tests.selva_plugins.resolve.conversation import Conversation, open_conversation
from tests.selva_plugins.resolve.double.builds import Build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS
from tests.selva_plugins.resolve.double.lua import ScriptsMenu
from tests.selva_plugins.resolve.foreign_names import provide
from tests.selva_plugins.resolve.scenes import Scene

OpenHost = Callable[[Build, Scene], Host]

provide()


@pytest.fixture(scope="module")
def places(paths: AppPaths) -> AppPaths:
    """The name of `paths` in tests written elsewhere."""
    return paths


@pytest.fixture
def open_host() -> Iterator[OpenHost]:
    """Start a Resolve with a scene open; at the end of the test it must have noted no misuse."""
    hosts: list[Host] = []

    def start(build: Build, scene: Scene) -> Host:
        hosts.append(Host(build, scene.project))
        return hosts[-1]

    yield start
    for host in hosts:
        assert host.violations == []
        assert host.modal is None
        assert list(_iter_unheard(host)) == []


def _iter_unheard(host: Host) -> Iterator[str]:
    """Items before their timeline's start: reading back shows nothing wrong, and they are never heard."""
    for timeline in host.project.timelines:
        for track in timeline.tracks["audio"]:
            yield from (f"{timeline.name}: {item.name}" for item in track.items if not item.rendered)


MakeAccess = Callable[[Host], Access]


@pytest.fixture(params=["python", "luajit"])
def make_access(request: pytest.FixtureRequest, tmp_path: Path) -> MakeAccess:
    """A way to reach Resolve: external scripting where the edition has it, the menu agent everywhere."""
    return access_maker(request.param, tmp_path)


@pytest.fixture(params=["python", *INTERPRETERS])
def make_every_access(request: pytest.FixtureRequest, tmp_path: Path) -> MakeAccess:
    """Each way to reach Resolve, with the agent under each interpreter."""
    return access_maker(request.param, tmp_path)


def access_maker(name: str, folder: Path) -> MakeAccess:
    """ "python" for external scripting, else the Lua interpreter that runs the agent."""

    def reach(host: Host) -> Access:
        if name == "python":
            if not host.build.external_scripting:
                pytest.skip("the free edition has no external scripting")
            return StudioAccess(host)
        prefs = FusionPrefs(folder / "Profiles" / "Default" / "Fusion.prefs")
        return AgentAccess(ScriptsMenu(host, prefs, interpreter=name), folder)

    return reach


StartConversation = Callable[..., Conversation]


@pytest.fixture
def start_conversation(open_host: OpenHost, paths: AppPaths, tmp_path: Path) -> Iterator[StartConversation]:
    """Open a Resolve of a build with a scene, the agent installed and a watch running."""
    opened: list[Conversation] = []

    def start(chosen: Build, scene: Scene, *, interpreter: str = "luajit") -> Conversation:
        folder = tmp_path / "größe 犬"
        prefs = FusionPrefs(tmp_path / "unused" / "Fusion.prefs")
        menu = ScriptsMenu(open_host(chosen, scene), prefs, interpreter=interpreter)
        opened.append(open_conversation(menu, folder, paths))
        return opened[-1]

    yield start
    for conversation in opened:
        conversation.watch.close()
