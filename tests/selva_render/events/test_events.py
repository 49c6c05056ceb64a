"""Events of rendered timelines and of stems, in every file they are written to, read by programs that are not ours."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import opentimelineio as otio
import pytest
import soundfile

from selva_core.audio.stem_writer import write_stem
from selva_core.base.errors import MediaError, OutputError, RequestError
from selva_core.engine import Waveform
from selva_otio import (
    SpotOptions,
    Stem,
    StemTrack,
    load_timeline,
    measure_span,
    place_stems,
    spot_timeline,
    write_timeline,
)
from selva_otio.errors import NothingToSpotError, UnsupportedFormatError
from selva_render.events.collect import (
    EventList,
    collect_file_events,
    collect_timeline_events,
    find_stem_files,
    to_velocity,
)
from selva_render.events.event_files import check_event_target, notes_of_tracks, write_events
from tests.selva_cli.command_line import run
from tests.selva_core.audio.test_events import bursts
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.fcpxml.element_order import iter_faults

RATE_HZ = 48_000
TRACKS = (StemTrack(name="Dog", prompt="small dog barking"), StemTrack(name="Door", prompt="a door knock"))
BURSTS = {"Dog": ((0.5, 0.5), (1.0, 0.125)), "Door": ((0.25, 0.3),)}
"""Seconds of the file and level of the sounds in each stem."""


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """Clips "a" (1.6 s) and "b" (1.2 s from 2.0 s on), from 01:00:00:00, with stems that have 0.2 s of handle before each."""
    build = CutBuilder(rate_hz=25, start_frame=90_000, media_start_frame=90_000)
    picture = build.track(
        build.clip("a", offset=100, frames=40), build.gap(10), build.clip("b", offset=50, frames=30)
    )
    timeline = build.timeline(picture)
    options = SpotOptions(handles_s=Fraction(1, 5))
    sheet = spot_timeline(timeline, TRACKS, base_folder=tmp_path, options=options)
    (tmp_path / "stems").mkdir()
    stems = []
    for cue in sheet.cues:
        span = measure_span(cue.clip, sheet.clock, RATE_HZ)
        file = tmp_path / "stems" / f"{cue.track}-{cue.clip.name}.wav"
        write_stem(
            file,
            Waveform(samples=bursts(*BURSTS[cue.track]), sample_rate_hz=RATE_HZ),
            sample_rate_hz=RATE_HZ,
            num_samples=span.num_samples,
            provenance={"track": cue.track, "prompt": cue.prompt},
        )
        stems.append(
            Stem(
                cue=cue.id,
                take=1,
                seed=1,
                file=file,
                sample_rate_hz=RATE_HZ,
                num_samples=span.num_samples,
            )
        )
    path = tmp_path / "cut.otio"
    write_timeline(place_stems(timeline, sheet, stems).timeline, path)
    return path


def places(events: EventList) -> list[tuple[str, float]]:
    return [(event.track, round(float(event.record_s), 2)) for event in events.events]


EXPECTED = [("Door", 0.05), ("Dog", 0.3), ("Dog", 0.8), ("Door", 2.05), ("Dog", 2.3), ("Dog", 2.8)]


def test_events_lie_where_they_are_heard_on_the_timeline(cut: Path) -> None:
    events = collect_timeline_events(cut)
    assert events.tracks == ("Dog", "Door")
    assert [track for track, _ in places(events)] == [track for track, _ in EXPECTED]
    found_s, expected_s = zip(
        *((at, wanted) for (_, at), (_, wanted) in zip(places(events), EXPECTED, strict=True)), strict=True
    )
    assert found_s == pytest.approx(expected_s, abs=0.011)
    assert events.clock.timecode(events.events[1].record_s) in ("01:00:00:07", "01:00:00:08")


def test_what_is_trimmed_away_or_muted_is_no_event(cut: Path) -> None:
    timeline = load_timeline(cut)
    dog, door = timeline.audio_tracks()
    first = next(iter(dog.find_clips()))
    used = first.source_range
    first.source_range = otio.opentime.TimeRange(used.start_time, otio.opentime.RationalTime(15, 25))  # 0.6 s
    dog.insert(
        1, otio.schema.Gap(source_range=otio.opentime.TimeRange(duration=otio.opentime.RationalTime(25, 25)))
    )
    next(iter(door.find_clips())).enabled = False
    otio.adapters.write_to_file(timeline, str(cut))
    assert [track for track, _ in places(collect_timeline_events(cut))] == ["Dog", "Door", "Dog", "Dog"]


def test_velocity_is_relative_to_the_loudest_sound_of_the_track(cut: Path) -> None:
    by_track: dict[str, set[int]] = {}
    for event in collect_timeline_events(cut).events:
        by_track.setdefault(event.track, set()).add(event.velocity)
    assert max(by_track["Dog"]) == 127
    assert min(by_track["Dog"]) == pytest.approx(64, abs=3)  # 12 dB of 24 below
    assert by_track["Door"] == {127}
    assert [to_velocity(level) for level in (0.0, -24.0, -90.0)] == [127, 1, 1]


def test_midi_plays_one_note_an_event_at_its_time(cut: Path, tmp_path: Path) -> None:
    events = collect_timeline_events(cut)
    write_events(events, tmp_path / "out.mid", first_note=36)
    file = mido.MidiFile(tmp_path / "out.mid")
    assert [track.name for track in file.tracks[1:]] == ["Dog", "Door"]
    clock_s, notes, num_off = 0.0, [], 0
    for message in file:
        clock_s += message.time
        if message.type == "note_on":
            notes.append((message.note, clock_s, message.velocity))
        num_off += message.type == "note_off"
    keys = {"Dog": 36, "Door": 37}
    assert [note for note, _, _ in notes] == [keys[event.track] for event in events.events]
    times_s = [float(event.record_s) for event in events.events]
    assert [at for _, at, _ in notes] == pytest.approx(times_s, abs=3e-5)
    assert [velocity for _, _, velocity in notes] == [event.velocity for event in events.events]
    assert num_off == len(notes)


def test_csv_has_a_row_for_each_event(cut: Path, tmp_path: Path) -> None:
    events = collect_timeline_events(cut)
    write_events(events, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["record_s"]) for row in rows] == pytest.approx(
        [float(e.record_s) for e in events.events]
    )
    last = rows[-1]
    assert (last["track"], last["prompt"], last["file"]) == ("Dog", "small dog barking", "Dog-b.wav")
    assert float(last["file_s"]) == pytest.approx(1.0, abs=0.011)
    assert last["timecode"].startswith("01:00:02:")


def test_edl_lists_markers_in_the_form_that_resolve_imports(cut: Path, tmp_path: Path) -> None:
    write_events(collect_timeline_events(cut), tmp_path / "out.edl")
    lines = (tmp_path / "out.edl").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "FCM: NON-DROP FRAME"
    markers = [line for line in lines if "|M:" in line]
    assert [line.split("|M:")[1].split(" |")[0] for line in markers] == [track for track, _ in EXPECTED]
    events = [line.split() for line in lines if line[:3].isdigit()]
    assert all(len(fields) == 8 and fields[3] == "C" and fields[4] == fields[6] for fields in events)
    assert events[1][4] in ("01:00:00:07", "01:00:00:08")


@pytest.mark.parametrize("suffix", [".otio", ".xml"])
def test_timelines_have_a_marker_for_each_event_that_no_render_takes_for_a_cue(
    cut: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    write_events(collect_timeline_events(cut), path, base_folder=tmp_path)
    back = load_timeline(path)
    markers = sorted(back.tracks.markers, key=lambda marker: marker.marked_range.start_time.to_seconds())
    assert [marker.name for marker in markers] == [track for track, _ in EXPECTED]
    starts_s = [marker.marked_range.start_time.to_seconds() for marker in markers]
    assert starts_s == pytest.approx([at for _, at in EXPECTED], abs=0.041)
    sheet = spot_timeline(back, [TRACKS[0]], base_folder=tmp_path)
    assert {cue.prompt for cue in sheet.cues} == {"small dog barking"}


def test_fcpxml_has_its_markers_on_what_lies_there(cut: Path, tmp_path: Path) -> None:
    write_events(collect_timeline_events(cut), tmp_path / "out.fcpxml", base_folder=tmp_path)
    root = ET.parse(tmp_path / "out.fcpxml").getroot()  # noqa: S314 - our own file
    assert list(iter_faults(root)) == []
    assert sorted(marker.get("value", "") for marker in root.iter("marker")) == ["Dog"] * 4 + ["Door"] * 2


def test_reaper_projects_have_markers_and_no_regions(cut: Path, tmp_path: Path) -> None:
    write_events(collect_timeline_events(cut), tmp_path / "out.rpp", base_folder=tmp_path)
    lines = (tmp_path / "out.rpp").read_text(encoding="utf-8").splitlines()
    markers = [line.split() for line in lines if line.split()[:1] == ["MARKER"]]
    assert [fields[3] for fields in markers] == [track for track, _ in EXPECTED]
    # From this project, to which a render only adds stem tracks, a new one is written, with markers all the same.
    write_events(collect_timeline_events(tmp_path / "out.rpp"), tmp_path / "again.rpp", base_folder=tmp_path)
    again = (tmp_path / "again.rpp").read_text(encoding="utf-8")
    assert again.count("MARKER ") == len(EXPECTED)
    assert "PROJOFFS 3600" in again


def test_stems_that_are_files_begin_at_zero_each_on_its_track(cut: Path, tmp_path: Path) -> None:
    files = find_stem_files([tmp_path / "stems"])
    events = collect_file_events(files, frame_rate_hz=Fraction(24))
    assert [file.name for file in files] == ["Dog-a.wav", "Dog-b.wav", "Door-a.wav", "Door-b.wav"]
    assert events.tracks == ("Dog", "Door")
    assert {round(float(event.record_s), 1) for event in events.events} == {0.2, 0.5, 1.0}
    assert events.clock.timecode(Fraction(1)) == "00:00:01:00"


def test_sound_of_others_has_events_under_its_own_name(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "knock.wav", bursts((0.5, 0.5)), RATE_HZ)
    events = collect_file_events([tmp_path / "knock.wav"], frame_rate_hz=Fraction(25))
    assert [(event.track, event.prompt) for event in events.events] == [("knock", "")]


def test_a_stem_that_is_gone_is_named_and_the_others_are_there(cut: Path, tmp_path: Path) -> None:
    (tmp_path / "stems" / "Dog-a.wav").unlink()
    events = collect_timeline_events(cut)
    assert len(events.events) == 4
    assert len(events.missing) == 1
    assert "Dog-a.wav" in events.missing[0]


def test_a_file_that_cannot_be_read_is_named_and_the_others_have_their_events(cut: Path) -> None:
    stems = cut.parent / "stems"
    whole = collect_file_events(find_stem_files([stems]), frame_rate_hz=Fraction(25))
    (stems / "0 damaged.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    found = collect_file_events(find_stem_files([stems]), frame_rate_hz=Fraction(25))
    assert len(found.events) == len(whole.events) > 0
    assert ["0 damaged.wav" in line for line in found.missing] == [True]
    with pytest.raises(MediaError, match=r"0 damaged\.wav"):
        collect_file_events([stems / "0 damaged.wav"], frame_rate_hz=Fraction(25))


def test_a_cut_without_stems_is_refused_with_the_command_that_makes_them(tmp_path: Path) -> None:
    build = CutBuilder(rate_hz=25)
    otio.adapters.write_to_file(
        build.timeline(build.track(build.clip("a", offset=0, frames=9))), str(tmp_path / "cut.otio")
    )
    with pytest.raises(NothingToSpotError, match="selva render"):
        collect_timeline_events(tmp_path / "cut.otio")


def test_targets_that_cannot_be_are_refused_and_others_accepted(cut: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormatError, match=r"\.csv, \.mid"):
        check_event_target(tmp_path / "out.wav", source=cut, replaces=False)
    with pytest.raises(OutputError, match="never changed"):
        check_event_target(cut, source=cut, replaces=True)
    with pytest.raises(OutputError, match="there is no folder"):
        check_event_target(tmp_path / "none" / "out.mid", source=cut, replaces=False)
    (tmp_path / "out.mid").write_text("mine", encoding="utf-8")
    with pytest.raises(RequestError, match="--replace"):
        check_event_target(tmp_path / "out.mid", source=cut, replaces=False)
    check_event_target(tmp_path / "out.mid", source=cut, replaces=True)
    with pytest.raises(RequestError, match="no WAV files"):
        find_stem_files([tmp_path])


def test_keys_go_up_from_the_first_and_end_at_the_last() -> None:
    assert notes_of_tracks(["a", "b", "c"], 126) == {"a": 126, "b": 127, "c": 127}


def test_command_writes_and_describes_what_it_found(cut: Path, tmp_path: Path) -> None:
    result = run("events", cut, "-o", tmp_path / "out.mid", "--note", "40", "--json")
    assert result.exit_code == 0, result.output
    described = json.loads(result.stdout)
    assert described["files"] == [str(tmp_path / "out.mid")]
    assert described["tracks"] == {"Dog": 40, "Door": 41}
    assert len(described["events"]) == 6
    stems = run("events", tmp_path / "stems", "-o", tmp_path / "out.csv", "--frame-rate", "24")
    assert stems.exit_code == 0, stems.output
    assert "events of 2 stem tracks" in stems.stdout
    twice = run("events", cut, tmp_path / "stems", "-o", tmp_path / "two.csv")
    assert twice.exit_code == 1
    assert "one timeline" in twice.stderr
    assert run("events", cut, "-o", tmp_path / "n.mid", "--note", "128").exit_code == 1
    assert not (tmp_path / "n.mid").exists()


def test_numpy_values_do_not_reach_the_json(cut: Path) -> None:
    event = collect_timeline_events(cut).events[0]
    assert not isinstance(event.level_db, np.floating)
    assert isinstance(event.record_s, Fraction)


def test_the_events_of_a_stem_that_is_cut_off_come_with_a_warning(cut: Path) -> None:
    whole = collect_timeline_events(cut)
    stem = next(iter(sorted((cut.parent / "stems").glob("*.wav"))))
    stem.write_bytes(stem.read_bytes()[:-30_000])
    assert whole.missing == ()
    assert [line for line in collect_timeline_events(cut).missing if f"{stem.name} is cut off" in line]
    assert [
        line
        for line in collect_file_events([stem], frame_rate_hz=Fraction(25)).missing
        if "is cut off" in line
    ]
