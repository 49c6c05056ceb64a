"""How the agent behaves: what it sends, how it waits, when it ends, and what it shows the user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selva_plugins.hosts.resolve.agent.messages import Message
from tests.selva_plugins.resolve.access import AGENT_SOURCE, AgentAccess, StudioAccess
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import SUPPORTED_BUILDS, Build, build, build_id
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.host import Host
from tests.selva_plugins.resolve.double.interpreters import INTERPRETERS
from tests.selva_plugins.resolve.double.lua import (
    MAX_CALLS_BETWEEN_WAITS,
    ScriptsMenu,
    WindowAnswer,
)
from tests.selva_plugins.resolve.scenes import Scene, build_scene
from tests.selva_plugins.resolve.stems import plan_for, plan_stem

FREE_21_1 = build("21.1.0", "free")
OpenAgent = Callable[..., AgentAccess]


@pytest.fixture
def open_agent(tmp_path: Path) -> OpenAgent:
    """The agent in the Scripts menu of a host."""

    def start(host: Host, *, interpreter: str = "luajit") -> AgentAccess:
        prefs = FusionPrefs(tmp_path / "Profiles" / "Default" / "Fusion.prefs")
        return AgentAccess(ScriptsMenu(host, prefs, interpreter=interpreter), tmp_path)

    return start


@pytest.fixture
def scene() -> Scene:
    made = build_scene()
    made.add_clip(made.add_media("/media/dog.mov"), at=0, frames=48, source=7)
    return made


def without_lua(snapshot: Any) -> Any:
    """A snapshot without what only the agent says of itself, and without the export, which each requests in its own way."""
    application = {
        key: value for key, value in snapshot["application"].items() if key not in ("lua", "sandboxed")
    }
    timeline = {key: value for key, value in snapshot["timeline"].items() if key != "otio_file"}
    return {**snapshot, "application": application, "timeline": timeline}


@pytest.mark.parametrize(
    "chosen", [chosen for chosen in SUPPORTED_BUILDS if chosen.edition == "studio"], ids=build_id
)
@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_agent_and_studio_bridge_take_the_same_snapshot(
    chosen: Build, interpreter: str, scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    scene.add_clip(None, at=48, frames=24, kind="generator", name='Text+ "ü" \\ \n 犬 \x07')
    inner = build_scene(timeline_name="Nest")
    inner.add_clip(inner.add_media("/media/inner.mov"), at=3, frames=24)
    nest = scene.add_media("", kind="timeline", name="Nest")
    nest.nested = inner.timeline
    scene.project.root.media.extend(inner.project.root.media)
    scene.add_clip(nest, at=72, frames=24)
    scene.timeline.markers[5] = model.Marker("Blue", "Dog: bark", "note", 12, "mine")
    scene.timeline.marks = {"video": {"in": 3, "out": 20}}
    scene.timeline.selected = [scene.timeline.tracks["video"][0].items[0]]
    scene.add_sound(scene.timeline.tracks["audio"][0], at=0, frames=20)
    scene.add_clip(scene.media["dog.mov"], at=0, frames=24, track=2).enabled = False
    scene.timeline.tracks["video"][1].enabled = False
    scene.add_audio_track("Dog", locked=True)
    host = open_host(chosen, scene)
    from_outside = StudioAccess(host).snapshot()
    assert without_lua(open_agent(host, interpreter=interpreter).snapshot()) == without_lua(from_outside)
    enabled = [track["enabled"] for track in from_outside["timeline"]["video_tracks"]]
    locked = [track["locked"] for track in from_outside["timeline"]["audio_tracks"]]
    assert (enabled, locked) == ([True, False], [False, True])


def test_a_long_timeline_never_holds_resolve_up(
    open_host: OpenHost, open_agent: OpenAgent, tmp_path: Path
) -> None:
    scene = build_scene()
    media = scene.add_media("/media/dog.mov")
    for number in range(120):
        scene.add_clip(media, at=24 * number, frames=24)
        scene.add_sound(scene.timeline.tracks["audio"][0], at=24 * number, frames=24)
    agent = open_agent(open_host(FREE_21_1, scene))
    stems = [plan_stem(tmp_path / "stems", scene.timeline, at=24 * number, frames=24) for number in range(40)]
    agent.answer = lambda message: agent.hand_out(message, plan_for(scene.timeline, stems))
    run = agent.run("generate")
    assert "40 stems placed" in run.text
    assert run.most_calls_between_waits <= MAX_CALLS_BETWEEN_WAITS


def test_in_the_sandbox_messages_leave_nothing_in_the_preferences(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent, tmp_path: Path
) -> None:
    agent = open_agent(open_host(FREE_21_1, scene))
    agent.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)]))
    assert [message.body["kind"] for message in agent.messages] == ["generate", "report"]
    saved = agent.menu.prefs.path.read_text(encoding="ascii")
    assert b"dog.mov".hex() not in saved
    assert 'SelvaHead = ""' in saved


def test_in_the_sandbox_a_message_is_wiped_out_while_its_stems_are_made(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    agent = open_agent(open_host(FREE_21_1, scene))
    saved: list[str] = []

    def answer(message: Message) -> None:
        agent.exchange.reply(message.body["request"], {"received": True, "beat": 1, "state": "working"})
        saved.append(agent.menu.prefs.path.read_text(encoding="ascii"))
        agent.menu.on_wait = lambda _seconds: look_again(message)

    def look_again(message: Message) -> None:
        saved.append(agent.menu.prefs.path.read_text(encoding="ascii"))
        agent.refuse_stems(message)

    agent.answer = answer
    agent.run("generate")
    assert [b"dog.mov".hex() in text for text in saved[:2]] == [True, False]


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_large_message_crosses_the_preferences_whole(
    interpreter: str, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    scene = build_scene(timeline_name="Rolle 犬")
    for number in range(60):
        scene.add_clip(scene.add_media(f"/media/größe {number}.mov"), at=24 * number, frames=24)
    host = open_host(FREE_21_1, scene)
    snapshot = open_agent(host, interpreter=interpreter).snapshot()
    assert len(snapshot["timeline"]["video_tracks"][0]["items"]) == 60
    assert snapshot["timeline"]["name"] == "Rolle 犬"


def test_a_message_that_nobody_fetched_is_wiped_out_by_the_next(
    open_host: OpenHost, open_agent: OpenAgent
) -> None:
    scene = build_scene()
    for number in range(40):
        scene.add_clip(scene.add_media(f"/media/secret {number}.mov"), at=24 * number, frames=24)
    agent = open_agent(open_host(FREE_21_1, scene))
    agent.menu.on_wait = lambda _seconds: None
    agent.run("generate")
    assert b"secret 39".hex() in joined_message(agent)
    scene.timeline.tracks["video"][0].items.clear()
    agent.run("generate")
    assert b"secret".hex() not in agent.menu.prefs.path.read_text()


def joined_message(agent: AgentAccess) -> str:
    """The message in the preferences, its pieces put together."""
    pieces = agent.menu.prefs.values["Global"]["SelvaLetter"]
    return "".join(value for key, value in pieces.items() if key.startswith("SelvaPiece"))


def test_progress_is_shown_on_the_console(scene: Scene, open_host: OpenHost, open_agent: OpenAgent) -> None:
    agent = open_agent(open_host(build("20.2.2"), scene))

    def answer(message: Message) -> None:
        reply = {"received": True, "beat": 1, "state": "working", "message": "40 %  dog.mov: sampling"}
        agent.exchange.reply(message.body["request"], reply)
        agent.menu.on_wait = lambda _seconds: agent.exchange.reply(
            message.body["request"],
            {"received": True, "beat": 2, "state": "failed", "title": "the GPU is gone"},
        )

    agent.answer = answer
    run = agent.run("generate")
    assert "40 %  dog.mov: sampling" in run.text
    assert "the GPU is gone" in run.text


def test_on_free_21_1_the_outcome_is_a_marker_that_replaces_the_one_before(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent, tmp_path: Path
) -> None:
    scene.timeline.markers[0] = model.Marker("Blue", "mine", "", 1)
    agent = open_agent(open_host(FREE_21_1, scene))
    for at in (0, 24):
        agent.place(plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=at, frames=24)]))
    ours = [marker for marker in scene.timeline.markers.values() if marker.custom_data == "selva:status"]
    assert [(marker.name, marker.color) for marker in ours] == [("Selva: 1 stem placed", "Green")]
    assert scene.timeline.markers[0].name == "mine"


def test_without_a_bridge_the_user_is_shown_what_to_start(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = open_agent(open_host(FREE_21_1, scene))
    agent.menu.on_wait = lambda _seconds: None
    run = agent.run("generate")
    assert "selva host resolve --watch" in run.text
    assert [marker.color for marker in scene.timeline.markers.values()] == ["Red"]
    assert len(agent.messages) == 1  # it stayed there until somebody read it


def test_where_programs_may_be_started_the_bridge_is(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    agent = open_agent(open_host(build("20.2.2"), scene))
    agent.command = ["/opt/selva bridge/selva", "host", "resolve", "--watch"]
    deliver = agent.menu.on_wait
    agent.menu.on_wait = lambda _seconds: None
    agent.answer = agent.refuse_stems

    def start(_command: str) -> int:
        agent.menu.on_wait = deliver
        return 0

    agent.menu.on_execute = start
    run = agent.run("generate")
    (command,) = run.commands
    assert command.endswith("'/opt/selva bridge/selva' host resolve --watch >/dev/null 2>&1 &")
    assert "does not answer" not in run.text


def test_a_second_run_takes_over_and_the_first_ends_quietly(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    agent = open_agent(open_host(build("20.2.2"), scene))
    agent.menu.on_wait = lambda _seconds: agent.menu.prefs.set("Global.Selva.Run", "somebody else")
    run = agent.run("generate")
    assert run.num_waits == 1
    assert run.printed == []
    assert scene.timeline.markers == {}


@pytest.mark.parametrize("version", ["18.5.1", "21.1.0"])
def test_when_resolve_quits_the_agent_ends_without_touching_anything(
    version: str, scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    host = open_host(build(version, "free"), scene)
    agent = open_agent(host)
    agent.menu.on_wait = lambda _seconds: host.quit()
    run = agent.run("generate")
    assert run.num_waits == 1


def test_stems_for_a_timeline_that_was_left_wait_for_it(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent, tmp_path: Path
) -> None:
    other = model.Timeline("Reel 2", scene.timeline.rate, "01:00:00:00")
    scene.project.timelines.append(other)
    host = open_host(build("20.2.2"), scene)
    agent = open_agent(host)
    plan = plan_for(scene.timeline, [plan_stem(tmp_path, scene.timeline, at=0, frames=24)])

    def answer(message: Message) -> None:
        host.switch_timeline(other)
        agent.hand_out(message, plan)
        agent.exchange.announce_waiting(
            [{"request": message.body["request"], "timeline_id": scene.timeline.uid}]
        )

    agent.answer = answer
    run = agent.run("generate")
    assert "'Reel 1' is not open" in run.text
    assert other.tracks["audio"][0].items == []
    assert "no finished stems wait" in agent.run("place").text
    host.switch_timeline(scene.timeline)
    assert "1 stem placed" in agent.run("place").text
    assert [track.name for track in scene.timeline.tracks["audio"]] == ["Audio 1", "Dog"]


def test_the_prompt_window_opens_where_windows_are_allowed_and_nowhere_else(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    opened: dict[str, int] = {}
    for chosen in SUPPORTED_BUILDS:
        agent = open_agent(open_host(chosen, scene))
        agent.answer = agent.refuse_stems
        opened[build_id(chosen)] = len(agent.run("generate").windows)
    with_window = {name for name, count in opened.items() if count}
    assert with_window == {build_id(chosen) for chosen in SUPPORTED_BUILDS if chosen.windows_allowed}


def test_typed_prompts_are_sent_and_remembered(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    agent = open_agent(open_host(build("21.0.4"), scene))
    agent.answer = agent.refuse_stems
    typed = 'Hund: kleiner "Hund" bellt\nSteps: boots on gravel'
    fields: dict[str, str | int | bool] = {"Prompts": typed, "Takes": 3, "Replaces": True}
    agent.menu.on_window = lambda _window: WindowAnswer("Generate", fields)
    agent.run("generate")
    body = agent.messages[-1].body
    assert (body["prompts"], body["takes"], body["replaces"]) == (typed, 3, True)
    shown: list[str] = []

    def look(window: dict[str, Any]) -> WindowAnswer:
        shown.append(window["fields"]["Prompts"]["text"])
        return WindowAnswer("Cancel")

    agent.menu.on_window = look
    agent.run("generate")
    assert shown == [typed]
    assert len(agent.messages) == 1


def test_a_closed_window_asks_for_nothing(scene: Scene, open_host: OpenHost, open_agent: OpenAgent) -> None:
    agent = open_agent(open_host(build("21.0.4"), scene))
    agent.menu.on_window = lambda _window: WindowAnswer("")
    run = agent.run("generate")
    assert (agent.messages, run.printed) == ([], [])


def test_stopping_sends_a_message(scene: Scene, open_host: OpenHost, open_agent: OpenAgent) -> None:
    agent = open_agent(open_host(FREE_21_1, scene))
    agent.answer = lambda message: agent.exchange.reply(
        message.body["request"], {"received": True, "beat": 1, "state": "done"}
    )
    assert "was stopped" in agent.run("stop").text
    assert agent.messages[-1].body["kind"] == "stop"


def test_a_version_that_ignores_positions_is_refused(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent
) -> None:
    agent = open_agent(open_host(build("18.1.4"), scene))
    assert "18.5 or later" in agent.run("generate").text
    assert agent.messages == []


def test_without_an_open_timeline_the_agent_says_so(open_host: OpenHost, open_agent: OpenAgent) -> None:
    scene = build_scene()
    scene.project.current_timeline = None
    agent = open_agent(open_host(build("20.2.2"), scene))
    assert "open a timeline first" in agent.run("generate").text


def test_an_answer_is_data_and_cannot_call_anything(
    scene: Scene, open_host: OpenHost, open_agent: OpenAgent, tmp_path: Path
) -> None:
    agent = open_agent(open_host(build("20.2.2"), scene))
    victim = tmp_path / "victim"
    victim.touch()

    def answer(message: Message) -> None:
        evil = f'os.remove("{victim}") return {{ received = true, state = "failed", title = "evil" }}'
        (agent.exchange.inbox / f"{message.body['request']}.lua").write_text(evil)
        agent.answer = agent.refuse_stems
        agent.menu.on_wait = lambda _seconds: agent.refuse_stems(message)

    agent.answer = answer
    agent.run("generate")
    assert victim.exists()


def test_a_file_that_was_copied_by_hand_says_how_to_install(
    scene: Scene, open_host: OpenHost, tmp_path: Path
) -> None:
    prefs = FusionPrefs(tmp_path / "Fusion.prefs")
    menu = ScriptsMenu(open_host(build("20.2.2"), scene), prefs, interpreter="luajit")
    script = tmp_path / "Selva.lua"
    script.write_text(AGENT_SOURCE, encoding="utf-8")
    run = menu.run(script)
    assert "selva host install resolve" in run.text
