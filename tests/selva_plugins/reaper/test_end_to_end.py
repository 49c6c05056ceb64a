"""The whole way: REAPER's scripts, the bridge as REAPER starts it, a daemon, the echo engine, measured stems."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import soundfile

import selva_core
from selva_core.base.paths import AppPaths
from selva_daemon.client.client import Client
from selva_plugins.hosts.reaper import install as reaper_install
from tests.selva_plugins.reaper.double import (
    LUA_VERSIONS,
    Item,
    Marker,
    Profile,
    Project,
    Source,
    Track,
    World,
)
from tests.selva_plugins.reaper.scenes import (
    CHECK,
    GENERATE,
    JOB_LIST,
    NEW_TAKES,
    REGIONS,
    type_in,
    type_sounds,
)
from tests.support.flashes import click_samples, write_flashing_clip

RATE = Fraction(24_000, 1001)
FLASHES = (3, 17, 30, 47, 58, 80, 101)
NUM_FRAMES = 120
LENGTH_S = float(NUM_FRAMES / RATE)
AWKWARD = 'Jörg\'s "Fülm" 100% 日本\n犬'


@pytest.fixture
def lua() -> str:
    """One Lua is enough here, but where a test says otherwise."""
    return "5.4"


def environment_of(paths: AppPaths) -> dict[str, str]:
    """What a REAPER started from a dock hands on: hardly anything."""
    inherited = {
        name: os.environ[name]
        for name in ("HOME", "SYSTEMROOT", "COVERAGE_PROCESS_START")
        if name in os.environ
    }
    return {
        **inherited,
        "SELVA_STATE_DIR": str(paths.state),
        "SELVA_CACHE_DIR": str(paths.cache),
        "SELVA_CONFIG_DIR": str(paths.config),
    }


@pytest.fixture
def studio(profile: Profile, tmp_path: Path, paths: AppPaths) -> Iterator[World]:
    """A REAPER with our scripts installed by the installer, in real time."""
    world = World(profile, tmp_path)
    world.resource_folder = tmp_path / "Jörg's 100% 日本 REAPER"
    world.resource_folder.mkdir()
    world.is_real_time = True
    world.environment = environment_of(paths)
    (world.resource_folder / "reaper.ini").write_text("[REAPER]\n")
    reaper_install.install(world.resource_folder)
    yield world
    world.quit()
    world.stop_processes()
    world.assert_clean()


@pytest.fixture
def places(paths: AppPaths) -> AppPaths:
    """The name that tests from elsewhere know the fixture `paths` by."""
    return paths


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    return write_flashing_clip(folder / "flash #1.mov", rate=RATE, num_frames=NUM_FRAMES, flashes=FLASHES)


def open_project(world: World, folder: Path, *items: Item, **settings: object) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    project = world.add_project(folder / "film.rpp", frame_rate_hz=23.976, **settings)
    project.tracks.append(Track(name="Video", items=list(items)))
    return project


def run_installed(world: World, name: str) -> None:
    world.run_script(world.resource_folder / "Scripts" / "Selva" / name)


def wait_for_report(world: World, *, limit_s: float = 90.0) -> dict[str, Any]:
    requests = world.resource_folder / "Selva" / "requests"
    newest = max(requests.iterdir(), key=lambda folder: (folder / "request.json").stat().st_mtime_ns)

    def is_over() -> bool:
        status = newest / "status.json"
        state = json.loads(status.read_text())["state"] if status.exists() else ""
        return (newest / "report-1.json").exists() or state == "failed"

    world.tick_until(is_over, limit_s=limit_s, seconds=0.05)
    assert (newest / "report-1.json").exists(), (newest / "status.json").read_text()
    report: dict[str, Any] = json.loads((newest / "report-1.json").read_text())
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


@pytest.mark.parametrize("lua", LUA_VERSIONS)
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


def test_sections_reversed_takes_and_loops_click_where_they_are_seen(studio: World, movie: Path) -> None:
    video = Source.video(movie, LENGTH_S)
    section = video.section(1.0, 3.0)
    cut = Item.showing(section, position_s=1.0, length_s=2.5, start_offset_s=0.25)
    backwards = Item.showing(
        video.section(0.0, LENGTH_S, is_reversed=True),
        position_s=10.0,
        length_s=4.0,
        start_offset_s=0.5,
        play_rate=1.25,
    )
    looped = Item.showing(section, position_s=20.0, length_s=7.0, start_offset_s=2.0, loops=True)
    project = open_project(studio, movie.parent, cut, backwards, looped)
    studio.input_answers.append(type_sounds("Dog: small dog barking", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    expected = [
        *seen_s(cut, first_media_s=1.25, until_media_s=3.75, speed=1),
        *seen_s(backwards, first_media_s=LENGTH_S - 0.5, until_media_s=LENGTH_S - 5.5, speed=-1.25),
        *seen_s(looped, first_media_s=3.0, until_media_s=4.0, speed=1),
        *seen_s(looped, first_media_s=1.0, until_media_s=4.0, speed=1, at_s=1.0),
        *seen_s(looped, first_media_s=1.0, until_media_s=4.0, speed=1, at_s=4.0),
    ]
    assert_within_a_sample(clicks_s(project.track_named("Dog")), expected)
    assert [item.length_s for item in project.track_named("Dog").items[-3:]] == pytest.approx([1.0, 3.0, 3.0])


@pytest.mark.parametrize("lua", LUA_VERSIONS)
def test_regions_and_markers_become_cues_over_the_picture_seen_there(studio: World, movie: Path) -> None:
    video = Source.video(movie, LENGTH_S)
    below = Item.showing(video, position_s=0.0, length_s=5.0, is_selected=False)
    above = Item.showing(video, position_s=2.0, length_s=1.0, start_offset_s=3.0, is_selected=False)
    project = open_project(studio, movie.parent, above)
    project.tracks.append(Track(name="Lower", items=[below]))
    project.content.markers += [
        Marker("Dog: small dog barking", 1.0, 2.5),
        Marker("Steps: boots on gravel | not: music", 1.0, 2.5),
        Marker("Act two", 0.0, 60.0),
        Marker("Bell: church bell", 4.0, 4.0, is_region=False),
        Marker("Hidden: never", 0.0, 5.0, is_hidden=True),
    ]
    studio.input_answers.append(type_in({"Model": "selva-echo", "Not to be": "wind"}))
    run_installed(studio, REGIONS)
    wait_for_report(studio)
    spans = [
        *seen_s(below, first_media_s=1.0, until_media_s=2.0 - 1e-6, speed=1, at_s=1.0),
        *seen_s(above, first_media_s=3.0, until_media_s=3.5, speed=1),
    ]
    for name in ("Dog", "Steps"):
        assert_within_a_sample(clicks_s(project.track_named(name)), spans)
    assert [item.position_s for item in project.track_named("Bell").items] == pytest.approx([3.0])
    negatives = {
        name: json.loads(project.track_named(name).items[0].active_take.ext["selva"])["negative_prompt"]
        for name in ("Dog", "Steps")
    }
    assert negatives == {"Dog": "wind", "Steps": "music"}
    hidden = [track.name for track in project.tracks if track.name == "Hidden"]
    assert hidden == ([] if studio.profile.lua == "5.4" else ["Hidden"])  # older REAPER cannot tell


def test_handles_lie_before_and_after_the_item_inside_the_file(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=10.01, length_s=2.0, start_offset_s=1.0)
    project = open_project(studio, movie.parent, item, start_offset_s=3600.0)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo", Handles="0,5"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    (stem,) = project.track_named("Dog").items
    take = stem.active_take
    assert take.source is not None
    assert (stem.position_s, stem.length_s) == (10.01, 2.0)
    assert take.values["D_STARTOFFS"] == pytest.approx(0.5, abs=float(1 / RATE))
    assert take.source.length_s == pytest.approx(3.0, abs=3 * float(1 / RATE))
    assert_within_a_sample(
        clicks_s(project.track_named("Dog")), seen_s(item, first_media_s=1.0, until_media_s=3.0, speed=1)
    )


def test_new_takes_have_the_next_seeds_and_the_same_place(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=2.0)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo", Takes="2"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    studio.tick(20)
    (stem,) = project.track_named("Dog").items
    item.is_selected, stem.is_selected = False, True
    studio.input_answers.append(type_in({"Prompt": "wolf howling", "How many": "2"}))
    run_installed(studio, NEW_TAKES)
    wait_for_report(studio)
    assert studio.input_dialogs[-1].values[0] == "bark"
    recipes = [json.loads(take.ext["selva"]) for take in stem.takes if take]
    assert [(recipe["take"], recipe["seed"], recipe["prompt"]) for recipe in recipes] == [
        (1, 42, "bark"),
        (2, 43, "bark"),
        (3, 44, "wolf howling"),
        (4, 45, "wolf howling"),
    ]
    assert stem.active_take.name == "Dog - flash #1.mov take 3"
    assert_within_a_sample(
        clicks_s(project.track_named("Dog")), seen_s(item, first_media_s=0.0, until_media_s=2.0, speed=1)
    )


def test_awkward_prompts_arrive_as_they_were_typed(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=1.0, length_s=1.0, name='cut "A" \\ 50% 犬')
    project = open_project(studio, movie.parent, item)
    track, prompt = 'Jörg\'s "Dog" 犬 100%', 'a "small" dog\'s bark, 100% `loud` \\ (wet] {日本}'
    studio.input_answers.append(type_sounds(f"{track}: {prompt}", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    (stem,) = project.track_named(track).items
    recipe = json.loads(stem.active_take.ext["selva"])
    assert (recipe["track"], recipe["prompt"], recipe["clip"]["path"]) == (track, prompt, str(movie))
    assert stem.active_take.name == f'{track} - cut "A" \\ 50% 犬'


def test_items_without_picture_are_refused_by_name_beside_others(studio: World, movie: Path) -> None:
    sound = Item.showing(Source.wave('/media/Amb "rain".wav', 5.0), position_s=0.0, length_s=5.0)
    shown = Item.showing(Source.video(movie, LENGTH_S), position_s=1.0, length_s=1.0)
    empty = Item(is_selected=True)
    empty.values["D_LENGTH"] = 1.0
    project = open_project(studio, movie.parent, sound, shown, empty)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    wait_for_report(studio)
    studio.tick(10, seconds=0.05)
    assert len(project.track_named("Dog").items) == 1
    assert studio.canvas.says('Amb "rain".wav: it has no picture (WAVE)')
    assert studio.canvas.says("item at 0.000 s on track 1: it is empty")


def test_refused_form_is_shown_again_with_what_was_typed(studio: World, movie: Path) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=1.0, length_s=1.0)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog; the dog's bark", Model="selva-echo"))
    studio.input_answers.append(type_sounds("Dog: the dog's bark"))
    run_installed(studio, GENERATE)
    studio.tick_until(lambda: len(studio.input_dialogs) == 2, limit_s=30)
    assert studio.messages == [
        'a sound reads "Track: prompt", for instance "Dog: small dog barking"; got "Dog; the dog\'s bark"'
    ]
    assert studio.input_dialogs[1].values[0] == "Dog; the dog\u2019s bark"
    wait_for_report(studio)
    recipe = json.loads(project.track_named("Dog").items[0].active_take.ext["selva"])
    assert recipe["prompt"] == "the dog's bark"


def test_missing_picture_is_reported_and_nothing_is_placed(studio: World, movie: Path) -> None:
    gone = Item.showing(Source.video(movie.with_name("gone.mov"), 5.0), position_s=1.0, length_s=1.0)
    project = open_project(studio, movie.parent, gone)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    studio.tick_until(lambda: studio.canvas.says("there is no file at"), limit_s=30)
    assert [track.name for track in project.tracks] == ["Video"]


def test_request_survives_a_killed_bridge_and_a_closed_reaper(
    studio: World, movie: Path, tmp_path: Path
) -> None:
    """No daemon runs at first; the item is moved while REAPER works on without its bridge."""
    alone = AppPaths(state=tmp_path / "s", cache=tmp_path / "c", config=tmp_path / "g")
    studio.environment = {**environment_of(alone), "SELVA_ECHO_STEP_DELAY_S": "0.1"}
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=2.0)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo"))
    run_installed(studio, GENERATE)
    try:
        studio.tick_until(lambda: studio.canvas.says("sampling"), limit_s=90)
        studio.processes[-1].kill()
        studio.processes[-1].wait()
        studio.quit()
        item.values["D_POSITION"] = 7.25
        run_installed(studio, JOB_LIST)
        studio.tick_until(
            lambda: studio.canvas.says("it was requested before REAPER was last started"), limit_s=90
        )
        assert [track.name for track in project.tracks] == ["Video"]
        studio.canvas.click("Place")
        studio.tick_until(lambda: len(project.tracks) == 3, limit_s=10)
    finally:
        with Client.connect(paths=alone) as client:
            client.shutdown()
    expected = seen_s(item, first_media_s=0.0, until_media_s=2.0, speed=1)
    assert_within_a_sample(clicks_s(project.track_named("Dog")), expected)


def test_cancel_button_ends_the_work(studio: World, movie: Path, paths: AppPaths) -> None:
    item = Item.showing(Source.video(movie, LENGTH_S), position_s=3.0, length_s=4.0)
    project = open_project(studio, movie.parent, item)
    studio.input_answers.append(type_sounds("Dog: bark", Model="selva-echo", Takes="16"))
    with Client.connect(paths=paths) as client:
        client.pause()
        run_installed(studio, GENERATE)
        studio.tick_until(lambda: studio.canvas.says("waiting"), limit_s=60)
        studio.canvas.click("Cancel")
        studio.tick_until(lambda: studio.canvas.says("cancelled"), limit_s=30)
        assert {job.state for job in client.jobs(limit=1)} == {"cancelled"}
        client.resume()
    assert [track.name for track in project.tracks] == ["Video"]


def test_check_shows_versions_daemon_and_models(studio: World) -> None:
    studio.add_project()
    run_installed(studio, CHECK)
    studio.tick_until(lambda: studio.canvas.says("Models"), limit_s=60)
    assert studio.canvas.says(f"Bridge {selva_core.__version__}")
    assert studio.canvas.says(f"Daemon {selva_core.__version__}")
    assert studio.canvas.says("selva-nano")
    studio.canvas.close()
    studio.tick(3)


def test_empty_model_field_means_the_bundled_model(studio: World, movie: Path) -> None:
    video = Source.video(movie, LENGTH_S)
    odd = Item.showing(video, position_s=3.0303, length_s=1.234, start_offset_s=0.777)
    back = Item.showing(
        video.section(0.5, 3.0, is_reversed=True), position_s=7.1, length_s=0.9, play_rate=1.75
    )
    project = open_project(studio, movie.parent, odd, back, sample_rate_hz=44_100.0)
    studio.input_answers.append(type_sounds("Bell: a bell rings"))
    run_installed(studio, GENERATE)
    studio.tick(3)
    before = project.copy_content()
    wait_for_report(studio, limit_s=600)
    stems = project.track_named("Bell").items
    assert [(stem.position_s, stem.length_s) for stem in stems] == [
        (item.position_s, item.length_s) for item in (odd, back)
    ]
    for stem in stems:
        take = stem.active_take
        assert take.source is not None
        info = soundfile.info(take.source.file)
        assert (info.samplerate, info.subtype) == (44_100, "PCM_24")
        heard_until = (take.values["D_STARTOFFS"] + stem.length_s) * info.samplerate
        assert heard_until <= info.frames + 1 < heard_until + 2 * float(info.samplerate / RATE)
        samples, _ = soundfile.read(take.source.file)
        assert not samples.any()  # the shipped model keeps silent: nothing in these flashes is a bell
        assert json.loads(take.ext["selva"])["model"] == "selva-nano"
    project.undo()
    assert project.content == before
