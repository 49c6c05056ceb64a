"""Plans that wait: each is placed once, also where no bridge runs to hear of it, and never stands in the way of new stems."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.selva_plugins.resolve.clicking_scenes import clips_on, flashing_scene
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.conversation import Conversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import Build, build
from tests.selva_plugins.resolve.scenes import Scene

BUILDS = [build("18.5.1"), build("20.2.2"), build("21.1.0"), build("21.1.0", "free")]


@pytest.fixture(params=BUILDS, ids=lambda chosen: f"{chosen.version}-{chosen.edition}")
def chosen(request: pytest.FixtureRequest) -> Build:
    build_of_test: Build = request.param
    return build_of_test


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """One clip of a movie that flashes, and a marker that asks for a dog."""
    scene, media = flashing_scene(tmp_path)
    scene.add_clip(media, at=0, frames=24, source=5)
    ask_for(scene, "Dog: small dog barking")
    return scene


def ask_for(scene: Scene, cue: str) -> None:
    scene.timeline.markers[10] = model.Marker("Fuchsia", cue, "", 1)


@pytest.fixture
def waiting(chosen: Build, scene: Scene, start_conversation: StartConversation) -> Conversation:
    """Stems are finished for a timeline that was left, and then the bridge ended."""
    other = model.Timeline("Other", scene.timeline.rate, "01:00:00:00")
    scene.project.timelines.append(other)
    conversation = start_conversation(chosen, scene)
    conversation.type_prompts()
    waits = [0]

    def leave() -> None:
        waits[0] += 1
        if waits[0] == 3:
            conversation.menu.host.switch_timeline(other)

    conversation.on_wait = leave
    run = conversation.choose("Generate stems")
    assert "is not open" in run.text
    conversation.on_wait = lambda: None
    conversation.is_watching = False
    conversation.watch.close()
    conversation.menu.host.switch_timeline(scene.timeline)
    return conversation


def test_a_plan_that_waited_is_placed_once_and_then_new_stems_are_asked_for(
    waiting: Conversation, scene: Scene
) -> None:
    first = waiting.choose("Generate stems")
    assert "1 stem placed" in first.text
    assert "choose 'Generate stems' again for new ones" in first.text
    for _ in range(2):
        again = waiting.choose("Generate stems")
        assert "had been waiting" not in again.text
        assert "the bridge does not answer" in again.text
    assert len(clips_on(scene, "Dog")) == 1
    assert "no finished stems wait" in waiting.choose("Place finished stems").text


def test_stems_that_were_removed_do_not_come_back_from_the_old_plan(
    waiting: Conversation, scene: Scene
) -> None:
    waiting.choose("Place finished stems")
    waiting.choose("Remove stems")
    waiting.choose("Generate stems")
    assert clips_on(scene, "Dog") == []


def test_the_next_bridge_learns_from_the_next_request_that_the_plan_is_placed(
    waiting: Conversation, scene: Scene
) -> None:
    waiting.choose("Generate stems")
    ask_for(scene, "Cat: cat meowing")
    waiting.choose("Generate stems")
    waiting.is_watching = True
    waiting.watch.start()
    run = waiting.choose("Generate stems")
    assert "1 stem placed" in run.text
    assert len(clips_on(scene, "Cat")) == 1
    waiting.watch.step()
    waiting.choose("Place finished stems")
    assert not waiting.watch.is_busy()


@pytest.mark.parametrize("version", ["18.5.1", "20.2.2", "21.1.0"])
def test_the_marker_of_a_failure_goes_away_when_the_next_run_goes_well(
    version: str, scene: Scene, start_conversation: StartConversation
) -> None:
    del scene.timeline.markers[10]
    conversation = start_conversation(build(version), scene)
    conversation.type_prompts("no colon here")
    conversation.choose("Generate stems")
    assert [marker.color for marker in scene.timeline.markers.values()] == ["Red"]
    conversation.type_prompts("Dog: small dog barking")
    assert "1 stem placed" in conversation.choose("Generate stems").text
    assert scene.timeline.markers == {}
