"""Fixtures: a Resolve of a given build, and the rule that silent mistakes fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.double.builds import Build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS
from tests.selva_plugins.resolve.double.lua import ScriptsMenu
from tests.selva_plugins.resolve.faces import Face, LuaFace, PythonFace
from tests.selva_plugins.resolve.scenes import Scene

OpenHost = Callable[[Build, Scene], Host]


@pytest.fixture
def open_host() -> Iterator[OpenHost]:
    """Start a Resolve with a scene open; at the end of the test it must have nothing to complain of."""
    hosts: list[Host] = []

    def start(build: Build, scene: Scene) -> Host:
        hosts.append(Host(build, scene.project))
        return hosts[-1]

    yield start
    for host in hosts:
        assert host.violations == []
        assert host.modal is None
        assert list(_unheard(host)) == []


def _unheard(host: Host) -> Iterator[str]:
    """Items before their timeline's start: read-back looks well, and nobody ever hears them."""
    for timeline in host.project.timelines:
        for track in timeline.tracks["audio"]:
            yield from (f"{timeline.name}: {item.name}" for item in track.items if not item.rendered)


MakeFace = Callable[[Host], Face]


@pytest.fixture(params=["python", "luajit"])
def make_face(request: pytest.FixtureRequest, tmp_path: Path) -> MakeFace:
    """A way to reach Resolve: external scripting where the edition has it, the menu agent everywhere."""
    return face_maker(request.param, tmp_path)


@pytest.fixture(params=["python", *INTERPRETERS])
def make_every_face(request: pytest.FixtureRequest, tmp_path: Path) -> MakeFace:
    """Each way to reach Resolve, with the agent under each interpreter."""
    return face_maker(request.param, tmp_path)


def face_maker(name: str, folder: Path) -> MakeFace:
    """ "python" for external scripting, else the Lua interpreter that runs the agent."""

    def reach(host: Host) -> Face:
        if name == "python":
            if not host.build.external_scripting:
                pytest.skip("the free edition has no external scripting")
            return PythonFace(host)
        prefs = FusionPrefs(folder / "Profiles" / "Default" / "Fusion.prefs")
        return LuaFace(ScriptsMenu(host, prefs, interpreter=name), folder)

    return reach
