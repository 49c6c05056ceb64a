"""From the menu entry to placed stems while the editor works on: clicks stay on the flashes that are still seen."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from tests.selva_plugins.resolve.clicking_scenes import clicks_on, clips_on, flashing_scene, sample_at
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.conversation import Conversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Build, build

BUILDS = [build("18.5.1"), build("20.2.2"), build("21.1.0", "free")]


def at_wait(conversation: Conversation, number: int, edit: Callable[[], None]) -> None:
    """Edit the timeline when the agent waits for the `number`th time: by then it has sent its request."""
    waits = [0]

    def count() -> None:
        waits[0] += 1
        if waits[0] == number:
            edit()

    conversation.on_wait = count


def request_dog(conversation: Conversation, timeline: model.Timeline) -> None:
    timeline.markers[0] = model.Marker("Fuchsia", "Dog: small dog barking", "", 300)
    conversation.type_prompts()


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: f"{chosen.version}-{chosen.edition}")
@pytest.mark.parametrize("moved_frames", [48, -7])
def test_the_click_of_a_clip_that_was_moved_is_where_its_flash_is_now(
    moved_frames: int, chosen: Build, start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    item = scene.add_clip(media, at=10, frames=24, source=5)
    conversation = start_conversation(chosen, scene)
    request_dog(conversation, scene.timeline)
    at_wait(conversation, 2, lambda: setattr(item, "start", item.start + moved_frames))
    conversation.choose("Generate stems")
    assert clicks_on(scene.timeline, "Dog") == [sample_at(Fraction(10 + moved_frames + 12 - 5, 24))]
    assert any(f"moved by {moved_frames:+d} frame(s)" in line for line in conversation.lines)


@pytest.mark.parametrize("chosen", BUILDS, ids=lambda chosen: f"{chosen.version}-{chosen.edition}")
def test_the_click_of_a_clip_that_was_slipped_is_where_its_flash_is_now(
    chosen: Build, start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    item = scene.add_clip(media, at=10, frames=24, source=5)
    conversation = start_conversation(chosen, scene)
    request_dog(conversation, scene.timeline)
    at_wait(conversation, 2, lambda: setattr(item, "source_start", item.source_start + 3))
    conversation.choose("Generate stems")
    (stem,) = clips_on(scene, "Dog")
    assert (stem.start - scene.timeline.start_frame, stem.duration) == (10, 21)
    assert clicks_on(scene.timeline, "Dog") == [sample_at(Fraction(10 + 12 - 8, 24))]


def test_a_plan_that_waited_while_its_clip_was_deleted_places_the_others_and_names_it(
    start_conversation: StartConversation, tmp_path: Path
) -> None:
    scene, media = flashing_scene(tmp_path)
    item = scene.add_clip(media, at=0, frames=24, source=5, name="gone.mov")
    scene.add_clip(media, at=200, frames=24, source=5)
    other = model.Timeline("Other", scene.timeline.rate, "01:00:00:00")
    scene.project.timelines.append(other)
    conversation = start_conversation(build("20.2.2"), scene)
    conversation.type_prompts("Dog: small dog barking")
    at_wait(conversation, 3, lambda: conversation.menu.host.switch_timeline(other))
    assert "is not open" in conversation.choose("Generate stems").text
    scene.timeline.tracks["video"][0].items.remove(item)
    conversation.menu.host.switch_timeline(scene.timeline)
    run = conversation.choose("Place finished stems")
    assert [stem.start - scene.timeline.start_frame for stem in clips_on(scene, "Dog")] == [200]
    assert "'gone.mov' was changed since the request: it is not on the timeline any more" in run.text
