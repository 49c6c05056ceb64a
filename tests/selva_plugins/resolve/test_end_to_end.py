"""From the menu entry to placed stems: flashes on the double's timeline come back as clicks on its audio tracks, on the right
sample.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.selva_plugins.resolve.clicking_scenes import (
    SAMPLE_RATE_HZ,
    clicks_on,
    clips_on,
    flashing_scene,
    sample_at,
)
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.conftest import start_conversation as talk
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import (
    GERMAN_TYPE_NAMES,
    JAPANESE_TYPE_NAMES,
    SUPPORTED_BUILDS,
    Build,
    build,
    build_id,
)
from tests.selva_plugins.resolve.scenes import RATES, build_scene
from tests.support.flashes import write_flashing_clip

# What tests written elsewhere import from here.
__all__ = ["clicks_on", "clips_on", "flashing_scene", "sample_at", "talk"]

CLOCKS = [
    *(
        (name, start)
        for name in ("23.976", "24", "25", "29.97", "59.94")
        for start in ("01:00:00:00", "00:00:00:00")
    ),
    ("29.97", "01:00:00;00"),
    ("59.94", "01:00:00;00"),
]


@pytest.mark.parametrize(("name", "start_timecode"), CLOCKS)
def test_every_flash_clicks_on_the_sample_where_it_is_seen(
    name: str, start_timecode: str, start_conversation: StartConversation, tmp_path: Path
) -> None:
    rate = RATES[name]
    scene = build_scene(rate=rate, start_timecode=start_timecode, drop_frame=";" in start_timecode)
    movie = write_flashing_clip(tmp_path / "hütte 犬.avi", rate=rate, num_frames=60, flashes={12, 30, 47})
    media = scene.add_media(movie, duration_s=60 / rate, start_timecode="10:00:00:00")
    scene.add_clip(media, at=7, frames=20, source=5)
    scene.add_clip(media, at=40, frames=30, source=25)
    conversation = start_conversation(build("21.1.0", "free"), scene)
    scene.timeline.markers[0] = model.Marker("Fuchsia", "Dog: small dog barking", "", 100)
    run = conversation.choose("Generate stems")
    assert "2 stems placed" in run.text
    track = scene.timeline.tracks["audio"][1]
    first = model.frames_of_timecode(start_timecode, rate)
    assert (track.name, [item.start - first for item in track.items]) == ("Dog", [7, 40])
    assert [item.duration for item in track.items] == [20, 30]
    expected = [
        sample_at((7 + 12 - 5) / rate),
        sample_at((40 + 30 - 25) / rate),
        sample_at((40 + 47 - 25) / rate),
    ]
    assert clicks_on(scene.timeline, "Dog") == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("chosen", SUPPORTED_BUILDS, ids=build_id)
def test_every_version_and_edition_gets_its_stems(
    chosen: Build, start_conversation: StartConversation, tmp_path: Path
) -> None:
    interpreter = "lua5.1" if chosen.edition == "free" else "luajit"
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=10, frames=24, source=5)
    scene.timeline.markers[10] = model.Marker("Blue", "Dog: small dog barking", "", 1)
    conversation = start_conversation(chosen, scene, interpreter=interpreter)
    conversation.type_prompts()
    conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start, item.duration, item.rendered) == (86410, 24, True)
    assert clicks_on(scene.timeline, "Dog") == [sample_at(Fraction(10 + 12 - 5, 24))]
    assert conversation.watch.requests_folder.is_dir()


@dataclass(frozen=True)
class Retime:
    """A clip of 40 frames, and when frame 80 of its media is seen, in frames after its start."""

    speed: Fraction
    source: int
    seen_at: Fraction


RETIMES = [
    Retime(Fraction(2), source=10, seen_at=Fraction(80 - 10, 2)),
    Retime(Fraction(1, 2), source=70, seen_at=Fraction(80 - 70) * 2),
    Retime(Fraction(-1), source=100, seen_at=Fraction(100 - 1 - 80)),
    Retime(Fraction(-2), source=110, seen_at=Fraction(110 - 1 - 80, 2)),
]


@pytest.mark.parametrize("version", ["20.2.2", "21.1.0"])
@pytest.mark.parametrize("retime", RETIMES, ids=lambda retime: f"{float(retime.speed):g}x")
def test_a_retimed_flash_clicks_when_it_is_seen(
    version: str, retime: Retime, start_conversation: StartConversation, tmp_path: Path
) -> None:
    assert render_retimed(build(version), retime, start_conversation, tmp_path) == pytest.approx(
        sample_at((24 + retime.seen_at) / 24), abs=1
    )


@pytest.mark.parametrize("retime", RETIMES[2:], ids=lambda retime: f"{float(retime.speed):g}x")
@pytest.mark.parametrize("reversed_source", ["edge", "first_frame"])
def test_a_reversed_clip_is_right_whatever_its_first_source_frame_means(
    reversed_source: Any, retime: Retime, start_conversation: StartConversation, tmp_path: Path
) -> None:
    chosen = dataclasses.replace(build("21.0.4"), reversed_source=reversed_source)
    click = render_retimed(chosen, retime, start_conversation, tmp_path)
    assert click == pytest.approx(sample_at((24 + retime.seen_at) / 24), abs=1)


@pytest.mark.parametrize("reversed_source", ["edge", "first_frame"])
def test_a_reversed_clip_whose_offsets_tell_nothing_is_right_to_the_frame(
    reversed_source: Any, start_conversation: StartConversation, tmp_path: Path
) -> None:
    chosen = dataclasses.replace(
        build("21.0.4"), reversed_source=reversed_source, reversed_offsets="position"
    )
    click = render_retimed(chosen, RETIMES[2], start_conversation, tmp_path)
    assert click == pytest.approx(sample_at((24 + RETIMES[2].seen_at) / 24), abs=SAMPLE_RATE_HZ / 24)


def render_retimed(chosen: Build, retime: Retime, start_conversation: StartConversation, folder: Path) -> int:
    """The one click of a clip of 40 frames, 24 frames after the start, that shows frame 80 of its media."""
    scene, media = flashing_scene(folder, flashes=(80,), num_frames=120)
    scene.add_clip(media, at=24, frames=40, source=retime.source, speed=retime.speed)
    conversation = start_conversation(chosen, scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    (click,) = clicks_on(scene.timeline, "Dog")
    return click


@pytest.mark.parametrize("type_names", [build("20.2.2").type_names, GERMAN_TYPE_NAMES, JAPANESE_TYPE_NAMES])
def test_what_has_no_picture_is_named_and_the_rest_is_made_in_every_language(
    type_names: tuple[str, ...], start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24, source=5)
    scene.add_clip(None, at=24, frames=24, kind="generator", name="Text+")
    scene.add_clip(scene.add_media(tmp_path / "gone.avi", online=False), at=48, frames=24)
    scene.add_clip(scene.add_media("", kind="compound", name="Scene 3"), at=72, frames=24)
    conversation = start_conversation(dataclasses.replace(build("20.2.2"), type_names=type_names), scene)
    conversation.type_prompts("Dog: small dog barking")
    run = conversation.choose("Generate stems")
    assert [item.start - 86400 for item in scene.timeline.tracks["audio"][1].items] == [0]
    assert "gone.avi" in run.text
    assert "Scene 3" in run.text
    assert "Text+" not in run.text


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [("timeline", build("21.0.4")), ("compound", build("18.5.1")), ("compound", build("21.1.0", "free"))],
    ids=["timeline", "compound-18.5", "compound-21.1-free"],
)
def test_a_nest_is_heard_where_its_picture_is_seen(
    kind: model.MediaKind, chosen: Build, start_conversation: StartConversation, tmp_path: Path
) -> None:
    inner, media = flashing_scene(tmp_path, flashes=(12,))
    inner.add_clip(media, at=10, frames=38, source=5)
    scene = build_scene()
    scene.project.root.media.append(media)
    nest = scene.add_media("", kind=kind, name="Scene 3", duration_s=Fraction(2))
    nest.nested = inner.timeline
    scene.add_clip(nest, at=100, frames=30, source=8)
    scene.timeline.markers[0] = model.Marker("Blue", "Dog: small dog barking", "", 130)
    conversation = start_conversation(chosen, scene)
    conversation.type_prompts()
    conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert item.start - 86400 == 102
    assert clicks_on(scene.timeline, "Dog") == [sample_at(Fraction(100 + 10 + 12 - 5 - 8, 24))]


def test_a_nest_of_another_rate_starts_its_stem_on_the_nearest_frame_and_says_so(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    inner, media = flashing_scene(tmp_path, rate=RATES["25"], num_frames=75)
    inner.add_clip(media, at=12, frames=38)
    scene = build_scene()
    scene.project.root.media.append(media)
    nest = scene.add_media("", kind="timeline", name="Scene 3", fps=RATES["25"], duration_s=Fraction(2))
    nest.nested = inner.timeline
    scene.add_clip(nest, at=100, frames=48)
    conversation = start_conversation(build("21.0.4"), scene)
    conversation.type_prompts("Dog: small dog barking")
    run = conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start - 86400, item.duration) == (100 + 12, 37)  # 11.52 and 36.48 frames
    assert "starts 20 ms off" in run.text


@pytest.mark.parametrize(
    ("timeline_hz", "project_hz", "stem_hz"),
    [("44100", "96000", 44_100), ("", "96000", 96_000), ("", "", 48_000)],
)
def test_stems_have_the_sample_rate_of_their_timeline_or_else_its_project(
    timeline_hz: str, project_hz: str, stem_hz: int, start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    scene.timeline.settings["timelineSampleRate"] = timeline_hz
    scene.project.settings["timelineSampleRate"] = project_hz
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert item.media is not None
    assert item.media.sample_rate_hz == stem_hz


def test_locked_and_occupied_tracks_are_left_alone(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    scene.add_audio_track("Dog", locked=True)
    steps = scene.add_audio_track("Steps")
    atmo = scene.add_sound(steps, at=20, frames=100)
    conversation = start_conversation(build("21.1.0"), scene)
    conversation.type_prompts("Dog: small dog barking", "Steps: boots on gravel")
    run = conversation.choose("Generate stems")
    tracks = {track.name: track.items for track in scene.timeline.tracks["audio"]}
    assert tracks["Dog"] == []
    assert tracks["Steps"] == [atmo]
    assert [item.start for item in tracks["Dog 2"]] == [86400]
    assert [item.start for item in tracks["Steps 2"]] == [86400]
    assert "'Dog' was locked or occupied, so it lies on 'Dog 2'" in run.text


def test_takes_lie_on_disabled_tracks_of_their_own(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking", takes=3)
    conversation.choose("Generate stems")
    tracks = [(track.name, track.enabled, len(track.items)) for track in scene.timeline.tracks["audio"][1:]]
    assert tracks == [("Dog", True, 1), ("Dog take 2", False, 1), ("Dog take 3", False, 1)]


@pytest.mark.parametrize("project_rate", ["23.976", "24", "25", "29.97", "59.94"])
@pytest.mark.parametrize("handles", ["0", "0.7"])
def test_a_wav_that_counts_at_the_projects_rate_is_heard_on_the_sample(
    handles: str, project_rate: str, start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path, flashes=(32,), num_frames=96, project_rate=RATES[project_rate])
    scene.add_clip(media, at=30, frames=37, source=25)
    conversation = start_conversation(build("21.0.4"), scene)
    conversation.watch.defaults = {**conversation.watch.defaults, "handles_s": handles}
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start - 86400, item.duration) == (30, 37)
    assert item.source_start == item.source_start // 1
    assert float(item.source_start / RATES[project_rate]) == pytest.approx(float(handles), abs=2 / 23)
    assert clicks_on(scene.timeline, "Dog") == pytest.approx([sample_at(Fraction(30 + 32 - 25, 24))], abs=1)


def test_on_a_timeline_faster_than_its_project_neighbours_share_a_track_and_the_loss_is_reported_once(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path, rate=RATES["59.94"], project_rate=RATES["24"])
    for at in (0, 19, 38):
        scene.add_clip(media, at=at, frames=19)
    conversation = start_conversation(build("21.0.4"), scene)
    conversation.type_prompts("Dog: small dog barking")
    run = conversation.choose("Generate stems")
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Dog"]
    assert [item.start - scene.timeline.start_frame for item in clips_on(scene, "Dog")] == [0, 19, 38]
    assert all(17 <= item.duration <= 19 for item in clips_on(scene, "Dog"))
    assert run.text.count("may end up to one of them early") == 1
    assert "shorter" not in "\n".join(conversation.lines)


def test_markers_of_provenance_are_left_on_request(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=4, frames=24)
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.watch.marks_stems = True
    conversation.type_prompts("Dog: small dog barking", "Steps: boots on gravel")
    conversation.choose("Generate stems")
    (frame,) = scene.timeline.markers
    marker = scene.timeline.markers[frame]
    assert (frame, marker.name, marker.duration) == (4, "Selva: Dog, Steps", 24)
    assert marker.note == "Dog: small dog barking\nSteps: boots on gravel"
    conversation.choose("Remove stems")
    assert scene.timeline.markers == {}


def test_everything_that_was_made_can_be_removed_again(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    before = (len(scene.project.all_media()), [track.name for track in scene.timeline.tracks["audio"]])
    conversation = start_conversation(build("21.1.0", "free"), scene)
    scene.timeline.markers[0] = model.Marker("Blue", "Dog: small dog barking", "", 24)
    conversation.choose("Generate stems")
    assert len(scene.timeline.tracks["audio"]) == 2
    conversation.choose("Remove stems")
    assert (
        len(scene.project.all_media()),
        [track.name for track in scene.timeline.tracks["audio"]],
    ) == before
    assert [folder.name for folder in scene.project.root.folders] == []
    assert [marker.name for marker in scene.timeline.markers.values()][:1] == ["Dog: small dog barking"]
