"""The whole way for selections as they occur: items before zero, and items without a picture beside a movie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.selva_plugins.reaper.double import Item, Marker, Source, World
from tests.selva_plugins.reaper.scenes import GENERATE, REGIONS, type_in, type_sounds
from tests.selva_plugins.reaper.test_end_to_end import (
    LENGTH_S,
    assert_within_a_sample,
    clicks_s,
    lua,
    movie,
    open_project,
    run_installed,
    seen_s,
    studio,
    wait_for_report,
)

__all__ = ["lua", "movie", "studio"]


def read_newest_status(world: World) -> dict[str, Any]:
    requests = world.resource_folder / "Selva" / "requests"
    newest = max(requests.iterdir(), key=lambda folder: (folder / "request.json").stat().st_mtime_ns)
    status: dict[str, Any] = json.loads((newest / "status.json").read_text())
    return status


def write_voice(file: Path) -> Path:
    """One second of sound in a container that REAPER opens as a video."""
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 48_000), dtype="float32"), format="fltp", layout="mono"
        )
        frame.rate, frame.pts = 48_000, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file


def write_still(file: Path) -> Path:
    with av.open(str(file), "w", format="image2") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        picture = np.full((48, 64, 3), 200, dtype=np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file


def test_item_before_zero_gets_its_stem_there(studio: World, movie: Path) -> None:
    before = Item.showing(Source.video(movie, LENGTH_S), position_s=-1.5, length_s=3.0)
    after = Item.showing(Source.video(movie, LENGTH_S), position_s=5.0, length_s=2.0)
    project = open_project(studio, movie.parent, before, after)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    dog = project.track_named("Dog")
    assert [item.position_s for item in dog.items] == [-1.5, 5.0]
    assert_within_a_sample(
        clicks_s(dog),
        [
            *seen_s(before, first_media_s=0.0, until_media_s=3.0, speed=1),
            *seen_s(after, first_media_s=0.0, until_media_s=2.0, speed=1),
        ],
    )


def test_region_over_zero_gets_the_picture_under_it(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=-1.5, length_s=3.0)
    project = open_project(studio, movie.parent, item)
    project.content.markers.append(Marker(name="Dog: bark", start_s=-0.5, end_s=1.0))
    studio.input_answers.append(type_in({"Model": "selva-echo"}))
    run_installed(studio, REGIONS)
    wait_for_report(studio)
    (stem,) = project.track_named("Dog").items
    assert_within_a_sample([stem.position_s, stem.position_s + stem.length_s], [-0.5, 1.0])
    assert_within_a_sample(
        clicks_s(project.track_named("Dog")),
        seen_s(item, first_media_s=1.0, until_media_s=2.5, speed=1, at_s=1.0),
    )


def test_selected_items_without_a_picture_are_named_beside_a_movie(studio: World, movie: Path) -> None:
    voice, still = write_voice(movie.parent / "voice.m4a"), write_still(movie.parent / "still.png")
    project = open_project(
        studio,
        movie.parent,
        Item.showing(Source.video(voice, 1.0), position_s=1, length_s=1.0),
        Item.showing(Source.video(still, 5.0), position_s=3, length_s=4.0),
        Item.showing(Source.wave("/media/room.wav", 5.0), position_s=8, length_s=1.0),
        Item.showing(Source.video(movie, LENGTH_S), position_s=10, length_s=2.0),
    )
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    notices = read_newest_status(studio)["notices"]
    for name in ("voice.m4a", "still.png", "room.wav"):
        assert any(name in notice for notice in notices), notices
    assert not any("flash #1.mov" in notice for notice in notices)
    assert len(project.track_named("Dog").items) == 1
