"""What is to be heard on a Resolve timeline: typed prompts for the selection or the marked range, markers, and a cue sheet."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.clicking_scenes import clicks_on, flashing_scene, sample_at
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build


def test_typed_prompts_are_for_the_selected_clips(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    for at in (0, 24, 48):
        scene.add_clip(media, at=at, frames=24)
    scene.timeline.selected = [scene.timeline.tracks["video"][0].items[1]]
    conversation = start_conversation(build("21.1.0"), scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    assert [item.start - 86400 for item in scene.timeline.tracks["audio"][1].items] == [24]


def test_without_a_selection_the_marked_range_counts_and_clips_are_cut_to_it(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path, flashes=(12, 30))
    for at in (0, 24, 48):
        scene.add_clip(media, at=at, frames=24, source=5)
    scene.timeline.marks = {"video": {"in": 30, "out": 59}, "audio": {"in": 30, "out": 59}}
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    items = scene.timeline.tracks["audio"][1].items
    assert [(item.start - 86400, item.duration) for item in items] == [(30, 18), (48, 12)]
    assert clicks_on(scene.timeline, "Dog") == [sample_at(Fraction(at + 12 - 5, 24)) for at in (24, 48)]


@pytest.mark.parametrize("marks", [{"in": 30}, {"out": 17}])
def test_one_mark_leaves_the_other_end_open(
    marks: dict[str, int], start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=48)
    scene.timeline.marks = {"video": marks}
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    (item,) = scene.timeline.tracks["audio"][1].items
    assert (item.start - 86400, item.duration) == ((30, 18) if "in" in marks else (0, 18))


def test_marks_around_nothing_are_reported(start_conversation: StartConversation, tmp_path: Path) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    scene.timeline.marks = {"video": {"in": 24, "out": 40}}
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    assert "between the timeline's in and out marks" in conversation.choose("Generate stems").text
    assert len(scene.timeline.tracks["audio"]) == 1


def test_markers_are_heard_outside_the_marks_too(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    for at in (0, 24):
        scene.add_clip(media, at=at, frames=24)
    scene.timeline.marks = {"video": {"in": 24, "out": 47}}
    scene.timeline.markers[5] = model.Marker("Blue", "Steps: boots on gravel", "", 1)
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    conversation.choose("Generate stems")
    starts = {
        track.name: [item.start - 86400 for item in track.items] for track in scene.timeline.tracks["audio"]
    }
    assert starts == {"Audio 1": [], "Dog": [24], "Steps": [0]}


def test_a_marker_on_a_clip_asks_for_sound_on_that_clip(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    item = scene.add_clip(media, at=24, frames=24, source=8)
    item.markers[10] = model.Marker("Fuchsia", "Dog: small dog barking", "", 1)
    conversation = start_conversation(build("21.1.0", "free"), scene)
    conversation.choose("Generate stems")
    assert [(i.start - 86400, i.duration) for i in scene.timeline.tracks["audio"][1].items] == [(24, 24)]


def test_what_is_written_into_a_markers_note_counts_as_well(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24)
    scene.timeline.markers[5] = model.Marker("Blue", "Marker 1", "Dog: small dog barking", 1)
    conversation = start_conversation(build("21.1.0", "free"), scene)
    conversation.choose("Generate stems")
    assert [item.start - 86400 for item in scene.timeline.tracks["audio"][1].items] == [0]


def test_a_cue_sheet_beside_the_project_is_read(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path, project_name="Feature")
    scene.add_clip(media, at=0, frames=24)
    conversation = start_conversation(build("21.1.0", "free"), scene)
    folder = tmp_path / "größe 犬" / "Videos" / "Selva" / "Feature"
    folder.mkdir(parents=True)
    (folder / "cues.csv").write_text("track,prompt\nDog,small dog barking\n", encoding="utf-8")
    conversation.choose("Generate stems")
    assert [item.start - 86400 for item in scene.timeline.tracks["audio"][1].items] == [0]


def test_without_any_prompt_the_user_reads_where_to_write_one(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path, project_name="Feature")
    scene.add_clip(media, at=0, frames=24)
    scene.timeline.markers[5] = model.Marker("Blue", "fix the light", "", 1)
    run = start_conversation(build("21.1.0", "free"), scene).choose("Generate stems")
    assert "Dog: small dog barking" in run.text
    assert str(Path("Selva", "Feature", "cues.csv")) in run.text
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1"]
