"""With the model that ships with the package, each marker's prompt is heard on its own track, in time with what it names."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import soundfile
from scipy.signal import resample_poly

from selva_core.audio.take_agreement import f1, match_onsets
from selva_core.base.paths import AppPaths
from selva_core.training.evaluation.measures import find_onsets
from tests.selva_plugins.resolve.conftest import OpenHost
from tests.selva_plugins.resolve.conversation import open_conversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.double.fusion import FusionPrefs
from tests.selva_plugins.resolve.double.lua import ScriptsMenu
from tests.selva_plugins.resolve.scenes import build_scene

EXAMPLES = Path(__file__).parents[3] / "examples"
RATE = Fraction(25)
AT, FIRST, NUM_FRAMES = 40, 25, 100


def sounding_s(timeline: model.Timeline, track: str) -> list[float]:
    """When something begins to sound on a track, seconds after the timeline's start."""
    (item,) = next(t for t in timeline.tracks["audio"] if t.name == track).items
    assert item.media is not None
    samples, rate_hz = soundfile.read(item.media.path, dtype="float32")
    assert rate_hz == 48_000
    start_s = float((item.start - timeline.start_frame) / timeline.rate)
    return [start_s + onset_s for onset_s in find_onsets(resample_poly(samples, 1, 3).astype("float32"))]


def visible_s(kind: str) -> list[float]:
    """When the source of that kind sounds in what the timeline shows of its picture."""
    events = json.loads((EXAMPLES / "yard.json").read_text(encoding="utf-8"))
    onsets_s = next(source["onsets_s"] for source in events["sounding"] if source["kind"] == kind)
    first_s, length_s = float(FIRST / RATE), float(NUM_FRAMES / RATE)
    return [float(AT / RATE) + onset_s - first_s for onset_s in onsets_s if 0 <= onset_s - first_s < length_s]


def test_each_marker_is_heard_on_its_track_in_time_with_what_it_names(
    open_host: OpenHost, paths: AppPaths, tmp_path: Path
) -> None:
    scene = build_scene(rate=RATE)
    yard = scene.add_media(EXAMPLES / "yard.mp4", fps=RATE, duration_s=Fraction(8))
    scene.add_clip(yard, at=AT, frames=NUM_FRAMES, source=FIRST)
    scene.timeline.markers[AT] = model.Marker("Blue", "Dog: a dog barking", "", NUM_FRAMES)
    scene.timeline.markers[AT + 1] = model.Marker("Blue", "Ball: a rubber ball bouncing", "", 1)
    menu = ScriptsMenu(
        open_host(build("21.1.0", "free"), scene),
        FusionPrefs(tmp_path / "unused" / "Fusion.prefs"),
        interpreter="luajit",
    )
    conversation = open_conversation(menu, tmp_path / "résolve", paths)
    conversation.watch.defaults = {"model": "selva-nano"}
    conversation.max_wait_s = (
        1.0  # a network is slower than the echo engine: the agent's patience is real time here
    )
    run = conversation.choose("Generate stems")
    conversation.watch.close()
    assert "2 stems placed" in run.text
    barks, bounces = visible_s("dog"), visible_s("ball")
    dog, ball = sounding_s(scene.timeline, "Dog"), sounding_s(scene.timeline, "Ball")
    assert timing(dog, barks) > max(0.5, timing(dog, bounces))
    assert timing(ball, bounces) > max(0.5, timing(ball, barks))


def timing(sounding: list[float], visible: list[float]) -> float:
    return f1(*match_onsets(sounding, visible))
