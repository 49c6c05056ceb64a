"""Resolve Studio from outside: the real bridge process against the double's scripting library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.hosts.resolve.errors import (
    ResolveError,
    ResolveNotFoundError,
    ResolveRefusedError,
    ResolveSilentError,
    ResolveVersionError,
    TimelineNotOpenError,
)
from selva_plugins.hosts.resolve.scripting.library import connect, find_library
from selva_plugins.hosts.resolve.scripting.resolve_api import call
from selva_plugins.hosts.resolve.snapshot import read_snapshot
from selva_plugins.hosts.resolve.studio import StudioBridge, build_child_environment
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.external import ExternalDoor
from tests.selva_plugins.resolve.double.remote import FusionScript
from tests.selva_plugins.resolve.scenes import build_scene
from tests.selva_plugins.resolve.stems import outcomes, plan_for, plan_stem


def open_studio(door: ExternalDoor, *, silence_limit_s: float = 30.0) -> StudioBridge:
    return StudioBridge(silence_limit_s=silence_limit_s, environment={**os.environ, **door.environment})


def test_snapshot_and_place_work_from_another_process(open_host: OpenHost, tmp_path: Path) -> None:
    scene = build_scene()
    scene.add_clip(scene.add_media("/media/dog.mov"), at=0, frames=48)
    host = open_host(build("21.0.4"), scene)
    steps: list[str] = []
    with ExternalDoor(host) as door, open_studio(door) as studio:
        assert studio.take_snapshot() == read_snapshot(StudioAccess(host).snapshot())
        plan = plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=12, frames=24)])
        report = studio.place(plan, steps.append)
        assert outcomes(report) == ["placed"]
        assert "placing stem 1 of 1" in steps
        assert scene.timeline.tracks["audio"][1].items[0].start == 86412
        assert studio.remove().num_stems == 1
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1"]


def test_the_free_edition_lets_nobody_in(open_host: OpenHost) -> None:
    host = open_host(build("21.0.4", "free"), build_scene())
    with (
        ExternalDoor(host) as door,
        open_studio(door) as studio,
        pytest.raises(ResolveRefusedError, match="External scripting"),
    ):
        studio.take_snapshot()


def test_a_version_that_ignores_positions_is_refused(open_host: OpenHost) -> None:
    host = open_host(build("18.1.4"), build_scene())
    with (
        ExternalDoor(host) as door,
        open_studio(door) as studio,
        pytest.raises(ResolveVersionError, match=r"18\.5"),
    ):
        studio.take_snapshot()


def test_a_call_that_hangs_is_given_up_and_named(open_host: OpenHost, tmp_path: Path) -> None:
    scene = build_scene()
    host = open_host(build("21.0.4"), scene)
    host.hangs_on.add("SaveProject")
    plan = plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=12, frames=24)])
    with (
        ExternalDoor(host) as door,
        open_studio(door, silence_limit_s=2.0) as studio,
        pytest.raises(ResolveSilentError, match="saving the project"),
    ):
        studio.place(plan)


def test_the_next_request_after_a_hang_works(open_host: OpenHost) -> None:
    scene = build_scene()
    host = open_host(build("21.0.4"), scene)
    host.hangs_on.add("GetVersion")
    with (
        ExternalDoor(host) as door,
        open_studio(door, silence_limit_s=2.0) as studio,
        pytest.raises(ResolveSilentError),
    ):
        studio.take_snapshot()
    host.hangs_on.clear()
    with ExternalDoor(host) as door, open_studio(door) as studio:
        assert studio.take_snapshot().timeline.id == scene.timeline.uid


def test_a_library_that_crashes_its_process_is_an_error(tmp_path: Path) -> None:
    library = tmp_path / "fusionscript.py"
    library.write_text("import os\nos._exit(139)\n")
    environment = {**os.environ, "RESOLVE_SCRIPT_LIB": str(library)}
    with (
        StudioBridge(environment=environment) as studio,
        pytest.raises(ResolveError, match="ended its process"),
    ):
        studio.take_snapshot()


def test_a_plan_for_another_timeline_is_refused(open_host: OpenHost) -> None:
    host = open_host(build("21.0.4"), build_scene())
    other = build_scene(timeline_name="Reel 2").timeline
    with (
        ExternalDoor(host) as door,
        open_studio(door) as studio,
        pytest.raises(TimelineNotOpenError, match="Reel 2"),
    ):
        studio.place(plan_for(other, []))


def test_studio_on_macos_is_found_on_the_machines_own_address(open_host: OpenHost) -> None:
    host = open_host(build("21.0.4"), build_scene())

    class Library:
        """Listens on a network address only, as Studio may on macOS."""

        def scriptapp(self, _name: str, address: str = "") -> Any:
            return FusionScript(host).scriptapp("Resolve") if address else None

    assert connect(Library(), platform="darwin").GetProductName() == "DaVinci Resolve Studio"
    with pytest.raises(ResolveRefusedError):
        connect(Library(), platform="linux")


def test_an_object_that_raises_answers_nothing() -> None:
    class Dead:
        def GetName(self) -> str:  # noqa: N802 - as Resolve spells it
            raise RuntimeError("the object is gone")

    assert call(Dead(), "GetName") is None
    assert call(Dead(), "GetStart") is None


def test_the_library_is_found_where_the_environment_says(tmp_path: Path) -> None:
    library = tmp_path / "fusionscript.so"
    library.touch()
    assert find_library(environment={"RESOLVE_SCRIPT_LIB": str(library)}) == library


@pytest.mark.parametrize(
    ("platform", "path"),
    [
        ("linux", "/opt/resolve/libs/Fusion/fusionscript.so"),
        (
            "darwin",
            "/Applications/DaVinci Resolve/DaVinci Resolve.app/Contents/Libraries/Fusion/fusionscript.so",
        ),
        ("win32", "Blackmagic Design"),
    ],
)
def test_a_missing_library_is_an_error_that_names_where_it_was_sought(platform: str, path: str) -> None:
    with pytest.raises(ResolveNotFoundError, match="RESOLVE_SCRIPT_LIB") as caught:
        find_library(platform=platform, environment={"PROGRAMFILES": "C:/nowhere"})
    assert path in caught.value.message


def test_the_process_that_talks_to_resolve_loads_no_timelines_and_no_sockets() -> None:
    program = "import sys, selva_plugins.hosts.resolve.scripting.child; print(*sys.modules)"
    loaded = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        .stdout.decode()
        .split()
    )
    assert not {"opentimelineio", "zmq", "msgpack", "numpy", "torch", "av"} & set(loaded)
    assert "selva_plugins.hosts.resolve.scripting.stem_placer" in loaded


def test_on_windows_the_library_learns_which_python_it_runs_in() -> None:
    given = {"PYTHONHOME": "C:/elsewhere", "TEMP": "C:/Temp"}
    on_windows = build_child_environment(given, platform="win32")
    assert on_windows["PYTHONHOME"] == sys.base_prefix
    assert on_windows["PYTHONPATH"]
    assert build_child_environment(given, platform="linux") == {**given, "PYTHONUTF8": "1"}
