"""Studio's timelines rendered from outside: real scripting process, real daemon, and the command as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile

from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_otio import StemTrack
from selva_plugins.errors import HostError
from selva_plugins.form import HostForm
from selva_plugins.hosts.resolve.headless import (
    StudioRender,
    TimelineResult,
    choose_timelines,
    render_in_studio,
    render_timelines,
)
from selva_plugins.hosts.resolve.studio import StudioBridge
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.external import ExternalDoor
from tests.selva_plugins.resolve.scenes import Scene, build_scene
from tests.support.flashes import write_flashing_clip

DOG = StemTrack(name="Dog", prompt="small dog barking")


@pytest.fixture
def two_reels(tmp_path: Path) -> Scene:
    """A project with two timelines that show the same flashing clip, at 10 and at 30 frames after their
    start.
    """
    scene = build_scene()
    movie = write_flashing_clip(tmp_path / "flash.avi", rate=scene.timeline.rate, num_frames=48, flashes={12})
    media = scene.add_media(movie)
    scene.add_clip(media, at=10, frames=24, source=5)
    second = model.Timeline("Reel 2", scene.timeline.rate, "02:00:00:00")
    scene.project.timelines.append(second)
    second.tracks["video"][0].items.append(model.Item("flash", "video", 172800 + 30, 24, media))
    return scene


def render(studio: StudioBridge, paths: AppPaths, folder: Path, **more: Any) -> TimelineResult:
    return render_in_studio(
        studio,
        StudioRender(form=HostForm(sounds=(DOG,), model="selva-echo"), stems_folder=folder / "stems", **more),
        on_progress=lambda _progress: None,
        connect=partial(Client.connect, paths=paths),
    )


def test_the_open_timeline_is_rendered_and_marked(
    two_reels: Scene, open_host: OpenHost, paths: AppPaths, tmp_path: Path
) -> None:
    host = open_host(build("21.1.0"), two_reels)
    with ExternalDoor(host) as door, StudioBridge(environment={**os.environ, **door.environment}) as studio:
        result = render(studio, paths, tmp_path, marks_stems=True)
    assert (result.timeline_name, result.num_placed, list(result.notices)) == ("Reel 1", 1, NOTICES)
    assert [item.start for item in two_reels.timeline.tracks["audio"][1].items] == [86410]
    (marker,) = two_reels.timeline.markers.values()
    assert (marker.name, marker.note, marker.duration) == ("Selva: Dog", "Dog: small dog barking", 24)


NOTICES = ["Test signal: a click where the picture flashes. No model was run."]


def test_every_timeline_of_a_project_is_rendered_and_the_users_own_given_back(
    two_reels: Scene, open_host: OpenHost, paths: AppPaths, tmp_path: Path
) -> None:
    host = open_host(build("21.0.4"), two_reels)
    empty = model.Timeline("Credits", two_reels.timeline.rate, "03:00:00:00")
    two_reels.project.timelines.insert(1, empty)
    reels = list(two_reels.project.timelines)
    wanted = StudioRender(form=HostForm(sounds=(DOG,), model="selva-echo"), stems_folder=tmp_path / "stems")
    messages: list[str] = []
    with ExternalDoor(host) as door, StudioBridge(environment={**os.environ, **door.environment}) as studio:
        results = list(
            render_timelines(
                studio,
                choose_timelines(studio, [], all_of_them=True),
                wanted,
                on_progress=lambda progress: messages.append(progress.message),
                connect=partial(Client.connect, paths=paths),
            )
        )
    placed = [[item.start for track in reel.tracks["audio"][1:] for item in track.items] for reel in reels]
    assert placed == [[86410], [], [172830]]
    assert [result.is_complete for result in results] == [True, False, True]
    assert "Credits" in str(results[1].error)
    assert two_reels.project.current_timeline is reels[0]
    assert {"reading the timeline", "placing stem 1 of 1", "saving the project"} <= set(messages)


def test_a_timeline_that_there_is_not_is_refused_with_those_there_are(
    two_reels: Scene, open_host: OpenHost
) -> None:
    host = open_host(build("21.0.4"), two_reels)
    with ExternalDoor(host) as door, StudioBridge(environment={**os.environ, **door.environment}) as studio:
        with pytest.raises(HostError, match="'Reel 1', 'Reel 2'"):
            choose_timelines(studio, ["Reel 3"], all_of_them=False)
        assert [t.name for t in choose_timelines(studio, ["Reel 2"], all_of_them=False)] == ["Reel 2"]


Command = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def selva(two_reels: Scene, open_host: OpenHost, paths: AppPaths) -> Iterator[Command]:
    """The command line, with Studio open on two reels."""
    with ExternalDoor(open_host(build("21.0.4"), two_reels)) as door:
        environment = {
            **os.environ,
            **door.environment,
            "SELVA_STATE_DIR": str(paths.state),
            "SELVA_CACHE_DIR": str(paths.cache),
            "SELVA_CONFIG_DIR": str(paths.config),
        }

        def call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
            return subprocess.run(
                [sys.executable, "-m", "selva_daemon", *arguments],
                capture_output=True,
                env=environment,
                timeout=120,
                check=False,
            )

        yield call


def test_the_command_line_renders_what_is_named_in_studio_and_takes_it_back(
    two_reels: Scene, selva: Command, tmp_path: Path
) -> None:
    second = two_reels.project.timelines[1]
    second.settings["timelineSampleRate"] = "44100"
    arguments = ["render", "--host", "resolve", "--timeline", "Reel 2", "--track", "Dog=small dog barking"]
    arguments += ["--model", "selva-echo", "--stems-dir", str(tmp_path / "stems"), "--json"]
    done = selva(*arguments)
    assert done.returncode == 0, done.stderr.decode()
    (printed,) = json.loads(done.stdout)
    assert (printed["timeline"], [stem["record_frame"] for stem in printed["stems"]]) == ("Reel 2", [172830])
    (stem,) = (tmp_path / "stems").glob("*.wav")
    assert soundfile.info(stem).samplerate == 44_100
    two_reels.project.current_timeline = second
    assert (
        selva("host", "resolve", "--remove-stems").stdout == b"removed: 1 stem, 1 track, 0 markers, 1 clip\n"
    )
    assert [track.name for track in second.tracks["audio"]] == ["Audio 1"]


def test_a_second_render_replaces_the_first_when_that_is_asked_for(
    two_reels: Scene, selva: Command, tmp_path: Path
) -> None:
    arguments = [
        "render",
        "--host",
        "resolve",
        "--model",
        "selva-echo",
        "--stems-dir",
        str(tmp_path / "stems"),
    ]
    for prompt in ("Dog=small dog barking", "Dog=large dog howling"):
        done = selva(*arguments, "--track", prompt, "--replace")
        assert done.returncode == 0, done.stderr.decode()
    (item,) = two_reels.timeline.tracks["audio"][1].items
    assert item.media is not None
    assert "large dog howling" in item.media.metadata["Comments"]
    assert len(two_reels.timeline.tracks["audio"]) == 2


def test_a_cut_beside_a_host_is_refused(selva: Command) -> None:
    done = selva("render", "cut.otio", "--host", "resolve", "--track", "Dog=small dog barking")
    assert (done.returncode, b"--host renders" in done.stderr) == (2, True)


def test_a_project_where_nothing_can_be_made_is_refused_with_a_status_of_its_own(
    two_reels: Scene, selva: Command
) -> None:
    for reel in two_reels.project.timelines:
        reel.tracks["video"][0].items.clear()
    arguments = ["render", "--host", "resolve", "--track", "Dog=small dog barking", "--model", "selva-echo"]
    one, every = selva(*arguments), selva(*arguments, "--all-timelines")
    assert (one.returncode, every.returncode) == (1, 1)
    assert b"selva: timeline 'Reel 1' has no clip" in one.stderr
    assert [line.split(":")[0] for line in every.stdout.decode().splitlines()] == ["Reel 1", "Reel 2"]
