"""The panel for Resolve: its clips as a cut, and chosen takes onto the timeline, through the agent and through Studio."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.base.errors import SelvaError
from selva_panel.delivery.chosen import ChosenStems, choose_stems
from selva_panel.delivery.targets import PlaceLine
from selva_panel.hosts.opening import opened_request
from selva_panel.hosts.resolve import open_studio
from selva_panel.session.records import SessionRecord, StemRecord
from selva_panel.timeline.cut import Cut
from selva_panel.timeline.rows import Row
from tests.selva_plugins.resolve.conftest import OpenHost, StartConversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.external import ExternalDoor
from tests.selva_plugins.resolve.scenes import Scene, build_scene
from tests.support.flashes import write_flashing_clip


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two clips of a movie at frames 10 and 40, and a marker that asks for a bell."""
    scene = build_scene()
    movie = write_flashing_clip(tmp_path / "flash.avi", rate=scene.timeline.rate, num_frames=60, flashes={12})
    media = scene.add_media(movie)
    scene.add_clip(media, at=10, frames=24, source=5)
    scene.add_clip(media, at=40, frames=20, source=30)
    scene.timeline.markers[0] = model.Marker("Fuchsia", "Bell: church bell", "", 100)
    return scene


def choose_second_takes(cut: Cut, folder: Path) -> ChosenStems:
    """Two takes of a dog on each clip; the second is the one that is heard."""
    stems = []
    rate_hz = cut.sample_rate_hz
    for clip in cut.clips:
        assert clip.spotted is not None
        num_samples = round(clip.spotted.duration_s * rate_hz)
        for take in (1, 2):
            file = folder / f"{clip.id}_{take}.wav"
            soundfile.write(file, np.zeros(num_samples), rate_hz, subtype="PCM_24")
            stems.append(
                StemRecord(
                    id=f"{clip.id}-{take}", row_id="dog", clip_id=clip.id, cue="", take=take, seed=take, file=str(file),
                    prompt="small dog barking", negative="", model="selva-echo", start_frames=clip.start_frames,
                    start_sample=round(clip.spotted.record_start_s * rate_hz), offset_samples=0,
                    length_samples=num_samples, sample_rate_hz=rate_hz, num_samples=num_samples, num_steps=25,
                    guidance=4.5, active=take == 2,
                )
            )  # fmt: skip
    row = Row(id="dog", name="Dog", prompt="small dog barking", gain_db=-3.0)
    return choose_stems(cut, SessionRecord(rows=(row,), stems=stems))


def placed_files(scene: Scene, track: str) -> list[tuple[int, int, str]]:
    found = next(each for each in scene.timeline.tracks["audio"] if each.name == track)
    return [
        (item.start - 86400, item.duration, Path(item.media.path).stem[-1])
        for item in found.items
        if item.media
    ]


def test_what_is_placed_in_the_panel_appears_while_the_agent_waits(
    scene: Scene, start_conversation: StartConversation, tmp_path: Path
) -> None:
    seen: list[PlaceLine] = []

    def answer(path: Path) -> None:
        """In place of the program of its own that the bridge starts: the same calls, from the page's side."""
        with opened_request(path) as hosted:
            assert hosted is not None
            assert (hosted.cut.source, hosted.cut.scope, len(hosted.cut.clips)) == ("resolve", "timeline", 2)
            assert [marker.is_cue for marker in hosted.cut.markers] == [True]
            seen.extend(hosted.target.place(choose_second_takes(hosted.cut, tmp_path), "").lines)

    conversation = start_conversation(build("21.1.0", "free"), scene)
    conversation.watch.answer = answer
    run = conversation.choose("Open the panel")
    assert "opens in the browser" in run.text
    assert placed_files(scene, "Dog") == [(10, 24, "2"), (40, 20, "2")]
    assert placed_files(scene, "Dog take 2") == [(10, 24, "1"), (40, 20, "1")]
    assert {line.text for line in seen} == {"placed on Dog", "placed on Dog take 2"}
    assert not conversation.watch.is_busy()


def test_a_panel_that_cannot_open_says_why_in_resolve(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    def answer(path: Path) -> None:
        with pytest.raises(SelvaError), opened_request(path):
            pass

    conversation = start_conversation(build("21.1.0", "free"), build_scene())
    conversation.watch.answer = answer
    run = conversation.choose("Open the panel")
    (folder,) = conversation.watch.requests_folder.iterdir()
    message = json.loads((folder / "status.json").read_text())["message"]
    assert message
    assert message in run.text


def test_studio_places_from_outside_and_removes_again(
    scene: Scene, open_host: OpenHost, tmp_path: Path
) -> None:
    scene.timeline.marks = {"video": {"in": 40, "out": 59}}
    with ExternalDoor(open_host(build("21.1.0"), scene)) as door:
        cut, target = open_studio({**os.environ, **door.environment})
        assert (cut.scope, len(cut.clips)) == ("marks", 1)
        report = target.place(choose_second_takes(cut, tmp_path), "")
        assert {line.text for line in report.lines} == {"placed on Dog", "placed on Dog take 2"}
        assert placed_files(scene, "Dog") == [(40, 20, "2")]
        assert report.undo is not None
        (line,) = target.remove(report.undo)
    assert line.text == "2 stems and 2 tracks were removed"
    assert [track.name for track in scene.timeline.tracks["audio"] if track.name.startswith("Dog")] == []
