"""Speeds before 19.0.2, where Resolve tells only how much of the media lies before and after a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from selva_otio import StemTrack, TimelineError, spot_timeline
from selva_plugins.form import HostForm
from selva_plugins.hosts.resolve.adapter import prepare_snapshot
from selva_plugins.hosts.resolve.snapshot import ResolveSnapshot, read_snapshot
from selva_plugins.hosts.resolve.timeline import build_timeline
from tests.selva_plugins.resolve.access import StudioAccess
from tests.selva_plugins.resolve.clicking_scenes import clicks_on, flashing_scene, sample_at
from tests.selva_plugins.resolve.conftest import OpenHost, StartConversation
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import RATES, Scene, build_scene

VERSIONS = ("18.5.1", "19.0.0", "19.0.1")
DOG = StemTrack(name="Dog", prompt="small dog barking")
TELLS_NO_SPEED = "does not tell the speed of clips"


def take(version: str, scene: Scene, open_host: OpenHost) -> ResolveSnapshot:
    return read_snapshot(StudioAccess(open_host(build(version), scene)).snapshot())


def scene_with(
    *, frames: int, source: int, speed: Fraction, media_s: int = 60, fps: Fraction = RATES["24"]
) -> Scene:
    scene = build_scene()
    media = scene.add_media("/media/a.mov", duration_s=Fraction(media_s), fps=fps)
    scene.add_clip(media, at=0, frames=frames, source=source, speed=speed, name="a.mov")
    return scene


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "speed",
    ["1", "2", "1/2", "3", "1/4", "3/2", "11/10", "9/10", "6/5", "5", "10", "3/10"],
    ids=lambda text: text,
)
@pytest.mark.parametrize(("frames", "source"), [(40, 10), (120, 111), (7, 300)])
def test_a_speed_is_worked_out_from_what_lies_before_and_after(
    version: str, speed: str, frames: int, source: int, open_host: OpenHost
) -> None:
    exact = Fraction(speed)
    snapshot = take(version, scene_with(frames=frames, source=source, speed=exact), open_host)
    built = build_timeline(snapshot)
    (clip,) = spot_timeline(built.timeline, [DOG], base_folder=Path.cwd()).clips
    assert clip.speed == exact
    assert float(clip.media_start_s * 24) == pytest.approx(source, abs=float(exact))
    assert [f"{float(exact * 100):g} % speed" in notice for notice in built.notices] == [True] * (
        speed != "1"
    )


@pytest.mark.parametrize("version", VERSIONS[:2])
@pytest.mark.parametrize("retime", [(Fraction(2), 10, 35), (Fraction(1, 2), 70, 20)], ids=["2x", "0.5x"])
def test_a_retimed_flash_clicks_when_it_is_seen(
    version: str,
    retime: tuple[Fraction, int, int],
    start_conversation: StartConversation,
    tmp_path: Path,
) -> None:
    speed, source, seen_at = retime
    scene, media = flashing_scene(tmp_path, flashes=(80,), num_frames=120)
    scene.add_clip(media, at=24, frames=40, source=source, speed=speed)
    conversation = start_conversation(build(version), scene)
    conversation.type_prompts("Dog: small dog barking")
    run = conversation.choose("Generate stems")
    assert clicks_on(scene.timeline, "Dog") == pytest.approx([sample_at(Fraction(24 + seen_at, 24))], abs=1)
    assert "% speed" in run.text


REFUSED = [
    pytest.param(
        {"frames": 200, "source": 10, "speed": Fraction(137, 100), "media_s": 12}, id="several may be meant"
    ),
    pytest.param(
        {"frames": 40, "source": 10, "speed": Fraction(2), "fps": RATES["25"]}, id="another frame rate"
    ),
]


@pytest.mark.parametrize("values", REFUSED)
def test_a_speed_that_the_offsets_leave_in_doubt_is_refused_by_name(
    values: dict[str, object], open_host: OpenHost
) -> None:
    built = build_timeline(take("18.5.1", scene_with(**values), open_host))  # type: ignore[arg-type]
    assert ["'a.mov' runs at a speed" in notice and "19.0.2" in notice for notice in built.notices] == [True]
    with pytest.raises(TimelineError):
        spot_timeline(built.timeline, [DOG], base_folder=Path.cwd())


def test_an_odd_percentage_is_taken_where_long_media_leaves_no_doubt(open_host: OpenHost) -> None:
    scene = scene_with(frames=40, source=10, speed=Fraction(137, 100), media_s=600)
    built = build_timeline(take("18.5.1", scene, open_host))
    (clip,) = spot_timeline(built.timeline, [DOG], base_folder=Path.cwd()).clips
    assert clip.speed == Fraction(137, 100)


@pytest.mark.parametrize("name", ["23.976", "25", "29.97", "59.94"])
def test_a_clip_of_another_rate_at_normal_speed_is_not_taken_for_a_retime(
    name: str, open_host: OpenHost
) -> None:
    scene = scene_with(frames=48, source=30, speed=Fraction(1), fps=RATES[name])
    built = build_timeline(take("18.5.1", scene, open_host))
    (clip,) = spot_timeline(built.timeline, [DOG], base_folder=Path.cwd()).clips
    assert (clip.speed, clip.media_start_s) == (Fraction(1), 30 / RATES[name])


@pytest.mark.parametrize(
    ("version", "is_reported"), [("18.5.1", True), ("19.0.1", True), ("19.0.2", False), ("21.1.0", False)]
)
def test_that_neither_reverse_nor_freeze_frames_are_known_is_reported_once(
    version: str, is_reported: bool, open_host: OpenHost, tmp_path: Path
) -> None:
    scene = scene_with(frames=40, source=100, speed=Fraction(-1))
    prepared = prepare_snapshot(
        take(version, scene, open_host),
        HostForm(sounds=(DOG,), model="selva-echo"),
        stems_folder=tmp_path / "stems",
    )
    assert sum(TELLS_NO_SPEED in notice for notice in prepared.notices) == is_reported
