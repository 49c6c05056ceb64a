"""The whole way: REAPER's scripts, the bridge as REAPER starts it, a daemon, the echo engine, measured stems."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import soundfile
from selva_daemon.places import Places
from selva_daemon.settings import DaemonSettings
from selva_plugins.hosts import reaper_install

from tests.selva_daemon.daemons import serving
from tests.selva_daemon.flashes import click_samples, write_flashing_clip

from .double import Item, Profile, Project, Source, Track, World
from .scenes import GENERATE, type_sounds

RATE = Fraction(24_000, 1001)
FLASHES = (3, 17, 30, 47, 58, 80, 101)
NUM_FRAMES = 120
LENGTH_S = float(NUM_FRAMES / RATE)
AWKWARD = 'Jörg\'s "Fülm" 100% 日本\n犬'


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """One daemon for all tests of this file."""
    folder = tmp_path_factory.mktemp("selva")
    places = Places(state=folder / "state", cache=folder / "cache", config=folder / "config")
    with serving(places, DaemonSettings(drain_timeout_s=0.2)):
        yield places


def environment_of(places: Places) -> dict[str, str]:
    """What a REAPER started from a dock hands on: hardly anything."""
    kept = {
        name: os.environ[name]
        for name in ("HOME", "SYSTEMROOT", "COVERAGE_PROCESS_START")
        if name in os.environ
    }
    return {
        **kept,
        "SELVA_STATE_DIR": str(places.state),
        "SELVA_CACHE_DIR": str(places.cache),
        "SELVA_CONFIG_DIR": str(places.config),
    }


@pytest.fixture
def studio(profile: Profile, tmp_path: Path, places: Places) -> Iterator[World]:
    """A REAPER with our scripts installed by the installer, in real time."""
    world = World(profile, tmp_path)
    world.is_real_time = True
    world.environment = environment_of(places)
    (world.resource_folder / "reaper.ini").write_text("[REAPER]\n")
    reaper_install.install(world.resource_folder)
    yield world
    world.quit()
    world.stop_processes()
    world.assert_clean()


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    return write_flashing_clip(folder / "flash #1.avi", rate=RATE, num_frames=NUM_FRAMES, flashes=FLASHES)


def open_project(world: World, folder: Path, *items: Item, **facts: object) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    project = world.add_project(folder / "film.rpp", frame_rate_hz=23.976, **facts)
    project.tracks.append(Track(name="Video", items=list(items)))
    return project


def run_installed(world: World, name: str) -> None:
    world.run_script(world.resource_folder / "Scripts" / "Selva" / name)


def wait_for_report(world: World) -> dict[str, object]:
    requests = world.resource_folder / "Selva" / "requests"
    newest = max(requests.iterdir(), key=lambda folder: folder.name)

    def is_over() -> bool:
        status = newest / "status.json"
        state = json.loads(status.read_text())["state"] if status.exists() else ""
        return (newest / "report-1.json").exists() or state == "failed"

    world.tick_until(is_over, limit_s=90, seconds=0.05)
    assert (newest / "report-1.json").exists(), (newest / "status.json").read_text()
    report: dict[str, object] = json.loads((newest / "report-1.json").read_text())
    return report


def clicks_s(track: Track) -> list[float]:
    """Timeline times at which a stem track clicks, as REAPER plays its items."""
    times = []
    for item in track.items:
        take = item.active_take
        assert take.source is not None
        rate_hz = soundfile.info(take.source.file).samplerate
        for sample in click_samples(Path(take.source.file)):
            at_s = item.position_s + sample / rate_hz - take.values["D_STARTOFFS"]
            if item.position_s - 1e-6 <= at_s < item.position_s + item.length_s:
                times.append(at_s)
    return sorted(times)


def seen_s(
    item: Item, *, first_media_s: float, until_media_s: float, speed: float, at_s: float = 0.0
) -> list[float]:
    """When the flashes of a run of the movie are seen. In reverse a flash is first seen when its frame ends."""
    times = []
    for flash in FLASHES:
        media_s = float(flash / RATE) if speed > 0 else float((flash + 1) / RATE)
        if min(first_media_s, until_media_s) - 1e-9 <= media_s <= max(first_media_s, until_media_s) + 1e-9:
            times.append(item.position_s + at_s + (media_s - first_media_s) / speed)
    return times


def assert_within_a_sample(found: list[float], expected: list[float]) -> None:
    assert len(found) == len(expected), (found, expected)
    assert found == pytest.approx(sorted(expected), abs=1.01 / 48_000)


def test_flashes_of_items_at_odd_places_and_rates_click_where_they_are_seen(
    studio: World, movie: Path
) -> None:
    video = Source.video(movie, LENGTH_S)
    plain = Item.showing(video, position_s=7 * 1001 / 24_000, length_s=float(100 / RATE))
    odd = Item.showing(video, position_s=10.123456789, length_s=2.345, start_offset_s=0.7654321)
    fast = Item.showing(video, position_s=20.0, length_s=1.7, start_offset_s=0.51, play_rate=2.0)
    slow = Item.showing(video, position_s=30.0303, length_s=3.3, start_offset_s=0.4, play_rate=0.5)
    project = open_project(studio, movie.parent, plain, odd, fast, slow, start_offset_s=3600.0)
    studio.input_answers.append(type_sounds("Dog: small dog barking", Model="selva-echo"))
    run_installed(studio, GENERATE)
    studio.tick(3)
    before = project.copy_content()
    report = wait_for_report(studio)
    assert (len(report["placed"]), report["held"]) == (4, [])
    expected = [
        *seen_s(plain, first_media_s=0.0, until_media_s=float(100 / RATE), speed=1),
        *seen_s(odd, first_media_s=0.7654321, until_media_s=0.7654321 + 2.345, speed=1),
        *seen_s(fast, first_media_s=0.51, until_media_s=0.51 + 3.4, speed=2),
        *seen_s(slow, first_media_s=0.4, until_media_s=0.4 + 1.65, speed=0.5),
    ]
    assert_within_a_sample(clicks_s(project.track_named("Dog")), expected)
    stems = project.track_named("Dog").items
    assert [(stem.position_s, stem.length_s) for stem in stems] == [
        (item.position_s, item.length_s) for item in (plain, odd, fast, slow)
    ]
    files = [Path(stem.active_take.source.file) for stem in stems if stem.active_take.source]
    assert {file.parent for file in files} == {movie.parent / "Media" / "Selva"}
    project.undo()
    assert project.content == before
