"""Fixtures: a Resolve of a given build, and the rule that silent mistakes fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.double.builds import Build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.lua import INTERPRETERS, ScriptsMenu
from tests.selva_plugins.resolve.faces import Face, LuaFace, PythonFace
from tests.selva_plugins.resolve.scenes import Scene

OpenHost = Callable[[Build, Scene], Host]
OpenMenu = Callable[[Host], ScriptsMenu]


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


@pytest.fixture(params=INTERPRETERS)
def interpreter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def open_menu(interpreter: str, tmp_path: Path) -> OpenMenu:
    """Workspace > Scripts of a host, under each Lua interpreter."""

    def start(host: Host) -> ScriptsMenu:
        prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
        return ScriptsMenu(host, prefs, interpreter=interpreter)

    return start


MakeFace = Callable[[Host], Face]


@pytest.fixture(params=["python", *INTERPRETERS])
def make_face(request: pytest.FixtureRequest, tmp_path: Path) -> MakeFace:
    """A way to reach Resolve: external scripting where the edition has it, the menu agent everywhere."""

    def reach(host: Host) -> Face:
        if request.param == "python":
            if not host.build.external_scripting:
                pytest.skip("the free edition has no external scripting")
            return PythonFace(host)
        prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
        return LuaFace(ScriptsMenu(host, prefs, interpreter=request.param), tmp_path)

    return reach
