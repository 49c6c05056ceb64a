"""`selva conform` with a real daemon: what is heard in the new cut, in every format, and what the command prints and refuses."""

from __future__ import annotations

import csv
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import opentimelineio as otio
import pytest
import soundfile
from typer.testing import CliRunner

from selva_cli.app import app
from selva_otio import (
    SpotOptions,
    Stem,
    StemTrack,
    load_timeline,
    measure_span,
    open_timeline,
    place_stems,
    spot_timeline,
    write_timeline,
)
from selva_otio.formats.stem_metadata import iter_stems
from selva_otio.picture.media import resolve_media_path
from selva_otio.placement.stem_tracks import read_subtracks
from selva_otio.time.clock import sample_index
from selva_otio.time.item_times import trimmed_start_s
from tests.selva_otio.cuts import RATES, CutBuilder
from tests.selva_render.flashing_cuts import FLASHES, cut_builder, flashes_seen, render, run
from tests.support.daemons import StartServer
from tests.support.flashes import click_samples, write_cut

TRACK = ("--track", "Click=click")
OLD_SHOTS = ((13, 7, 30), (48, 0, 25), (73, 41, 20))
NEW_SHOTS = ((0, 0, 40), (45, 45, 10), (60, 5, 20))
"""Record frame, offset in the media, length. The first extends the second old shot by what the first one's stem has."""


COVERED_SHOTS = ((5, 39, 24), (40, 9, 26), (70, 0, 26))
"""Shots that the stems of the old ones reach with handles of 5 frames; the order is another one."""
CLICK = StemTrack(name="Click", prompt="click")


def build(cut: CutBuilder, shots: tuple[tuple[int, int, int], ...]) -> otio.schema.Timeline:
    items: list[otio.core.Composable] = []
    cursor = 0
    for record, offset, frames in shots:
        if record > cursor:
            items.append(cut.gap(record - cursor))
        items.append(cut.clip(f"at {record}", offset=offset, frames=frames))
        cursor = record + frames
    return cut.timeline(cut.track(*items))


def conform(old: Path, new: Path, out: Path, *options: str, status: int = 0) -> Any:
    return run("conform", old, new, "-o", out, *options, status=status)


def heard(file: Path, rate: Fraction, track: str = "Click") -> list[int]:
    """Clicks of a stem track, in samples after the timeline's start: those that lie in the range that an item plays."""
    clicks = []
    with open_timeline(file) as opened:
        for subtrack in read_subtracks(opened.timeline, track):
            for placed in subtrack.items:
                path = resolve_media_path(placed.item.media_reference.target_url, opened.base_folder)
                zero_s = placed.start_s - trimmed_start_s(placed.item)
                assert soundfile.info(path).frames >= sample_index(placed.end_s - zero_s, 48_000) - 1
                for at in click_samples(path):
                    sample = sample_index(zero_s, 48_000) + at
                    if sample_index(placed.start_s, 48_000) <= sample < sample_index(placed.end_s, 48_000):
                        clicks.append(sample)
    return sorted(clicks)


def seen(rate: Fraction, shots: tuple[tuple[int, int, int], ...]) -> list[int]:
    return [
        sample_index(at / rate, 48_000)
        for record, offset, frames in shots
        for at in flashes_seen(record=record, offset=offset, frames=frames)
    ]


def test_clicks_lie_where_the_flashes_are_seen_in_the_new_cut(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    for rate_name in ("23.976", "25", "59.94"):
        folder = tmp_path / rate_name
        folder.mkdir()
        conform_with_handles(folder, rate_name)


def conform_with_handles(tmp_path: Path, rate_name: str) -> None:
    rate = RATES[rate_name]
    cut = cut_builder(tmp_path, rate_name)
    source = write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio")
    old, new = tmp_path / "old.otio", write_cut(build(cut, NEW_SHOTS), tmp_path / "new.otio")
    render(source, old, *TRACK, "--handles", "0.1")
    before = old.read_bytes(), new.read_bytes()
    num_files = len(list((tmp_path / "stems").iterdir()))
    report = conform(old, new, tmp_path / "out.otio")
    assert (old.read_bytes(), new.read_bytes()) == before
    assert heard(tmp_path / "out.otio", rate) == pytest.approx(seen(rate, NEW_SHOTS), abs=1)  # samples
    rendered = [Path(stem["file"]) for stem in report["rendered"]]
    assert len(list((tmp_path / "stems").iterdir())) == num_files + len(rendered)
    assert report["failed"] == []
    assert FLASHES[0] == 0


def write_as(suffix: str, timeline: otio.schema.Timeline, folder: Path, name: str) -> Path:
    path = folder / f"{name}{suffix}"
    if suffix == ".otio":
        return write_cut(timeline, path)
    write_timeline(timeline, path)
    return path


def write_clicking_stems(timeline: otio.schema.Timeline, folder: Path) -> otio.schema.Timeline:
    """The timeline with two takes of a stem that clicks at the flashes, as `selva render` would place them."""
    options = SpotOptions(handles_s=Fraction(1, 5))
    sheet = spot_timeline(timeline, [CLICK], base_folder=folder, options=options)
    stems = []
    for cue in sheet.cues:
        clip = cue.clip
        num_samples = measure_span(clip, sheet.clock, 48_000).num_samples
        samples = np.zeros(num_samples, np.float32)
        for flash in FLASHES:
            at = sample_index(Fraction(flash, 25) - clip.sound_media_start_s, 48_000)
            if 0 <= at < num_samples and flash - 1 not in FLASHES:
                samples[at] = 0.7
        for take in (1, 2):
            file = folder / "stems" / f"{timeline.name}-{cue.id}-{take}.wav"
            file.parent.mkdir(exist_ok=True)
            soundfile.write(file, samples, 48_000)
            stem = Stem(
                cue=cue.id, take=take, seed=take, file=file, sample_rate_hz=48_000, num_samples=num_samples
            )
            stems.append(stem)
    return place_stems(timeline, sheet, stems).timeline


@pytest.mark.parametrize("suffix", [".otio", ".xml", ".fcpxml", ".rpp", ".aaf", ".mlt", ".otioz"])
def test_in_every_format_stems_go_there_and_back_without_a_daemon(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selva_cli.commands.conform_command.Client", None)
    monkeypatch.setattr("selva_cli.commands.conform_command.probe_or_none", lambda _path: None)
    rate = RATES["25"]
    cut = cut_builder(tmp_path, "25")
    source = write_as(suffix, build(cut, OLD_SHOTS), tmp_path, "cut")
    new = write_as(suffix, build(cut, COVERED_SHOTS), tmp_path, "new")
    old = write_as(suffix, write_clicking_stems(build(cut, OLD_SHOTS), tmp_path), tmp_path, "old")
    out, back = tmp_path / f"out{suffix}", tmp_path / f"back{suffix}"
    report = conform(old, new, out, "--no-mark")
    assert heard(out, rate) == seen(rate, COVERED_SHOTS)
    assert (report["rendered"], report["notes"]) == ([], [])
    actions = {action for stem in report["stems"] for action in stem["actions"]}
    assert actions == {"moved", "trimmed", "extended"}
    if suffix == ".aaf":
        return  # the library takes a second and more to open each file
    # What was conformed can be conformed again, back to the first cut: nothing of it was lost on the way.
    report = conform(out, source, back, "--no-mark")
    assert report["rendered"] == []
    assert heard(back, rate) == seen(rate, OLD_SHOTS)
    with open_timeline(back) as opened:
        takes = [len(stem["takes"]) for _, stem in iter_stems(opened.timeline)]
    assert takes == [2] * len(OLD_SHOTS)


def test_a_dry_run_shows_the_same_changes_and_writes_nothing(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio")
    old, new = tmp_path / "old.otio", write_cut(build(cut, NEW_SHOTS), tmp_path / "new.otio")
    render(source, old, *TRACK)
    files = sorted(path for path in tmp_path.rglob("*") if "selva" not in path.parts)
    shown = conform(old, new, tmp_path / "out.otio", "--dry-run")
    assert sorted(path for path in tmp_path.rglob("*") if "selva" not in path.parts) == files
    done = conform(old, new, tmp_path / "out.otio")
    assert (shown["dry_run"], done["dry_run"]) == (True, False)
    assert (shown["shots"], shown["stems"]) == (done["shots"], done["stems"])
    assert (shown["rendered"], shown["timeline"]) == ([], None)
    markers = load_timeline(tmp_path / "out.otio").tracks.markers
    assert [marker.name.split(" - ")[0] for marker in markers] == ["Conform"] * len(NEW_SHOTS)
    for stem in (tmp_path / "stems").glob("*.wav"):
        stem.write_bytes(stem.read_bytes()[:-30_000])
    damaged = conform(old, new, tmp_path / "again.otio", "--dry-run")
    assert ["cut off" in " ".join(report["notes"]) for report in (shown, damaged)] == [False, True]


def test_markers_of_a_conform_are_no_cues_of_a_later_render(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio")
    old, out = tmp_path / "old.otio", tmp_path / "out.otio"
    render(source, old, *TRACK)
    conform(old, write_cut(build(cut, NEW_SHOTS), tmp_path / "new.otio"), out)
    cues = run("spot", out, *TRACK)["cues"]
    assert {cue["track"] for cue in cues} == {"Click"}
    assert len(cues) == len(NEW_SHOTS)


def test_the_change_list_is_a_table_or_a_csv_file(start_server: StartServer, tmp_path: Path) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio")
    old, new = tmp_path / "old.otio", write_cut(build(cut, NEW_SHOTS), tmp_path / "new.otio")
    render(source, old, *TRACK)
    arguments = ["conform", str(old), str(new), "-o", str(tmp_path / "out.otio"), "--dry-run"]
    table = CliRunner().invoke(app, arguments)
    assert table.exit_code == 0
    assert table.stdout.splitlines()[0].split() == [
        "CHANGE",
        "CLIP",
        "OLD",
        "IN",
        "NEW",
        "IN",
        "NEW",
        "OUT",
        "STEMS",
        "MEDIA",
    ]
    assert "shots: " in table.stderr
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(app, [*arguments, "--csv"]).stdout)))
    assert [row["clip"] for row in rows if row["kind"] == "shot"][:3] == ["at 0", "at 45", "at 60"]
    assert {row["track"] for row in rows if row["kind"] == "stem"} == {"Click"}


def test_renamed_media_is_found_by_its_content_and_other_media_of_its_name_is_not(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    old = tmp_path / "old.otio"
    render(write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio"), old, *TRACK)
    media = tmp_path / "shot #1.mov"
    renamed = tmp_path / "A001_graded.mov"
    renamed.write_bytes(media.read_bytes())
    cut.media_url = renamed.as_uri()
    new = write_cut(build(cut, ((0, 7, 30), (30, 0, 25))), tmp_path / "new.otio")
    report = conform(old, new, tmp_path / "out.otio", "--dry-run")
    assert [(shot["relinked"], shot["changes"]) for shot in report["shots"][:2]] == [
        ("same content", ["moved", "relinked"])
    ] * 2
    other = tmp_path / "card B" / media.name
    other.parent.mkdir()
    other.write_bytes(media.read_bytes() + b"another picture")
    cut.media_url = other.as_uri()
    new = write_cut(build(cut, ((0, 7, 30),)), tmp_path / "new2.otio")
    report = conform(old, new, tmp_path / "out.otio", "--dry-run")
    assert report["shots"][0]["changes"] == ["new"]
    assert any("--relink" in note for note in report["notes"])
    report = conform(old, new, tmp_path / "out.otio", "--dry-run", "--relink", f"{media}={other}")
    assert report["shots"][0]["relinked"] == "as given"


def test_what_cannot_be_written_is_refused_before_anything_is_made(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(build(cut, OLD_SHOTS), tmp_path / "cut.otio")
    old = tmp_path / "old.otio"
    render(source, old, *TRACK)

    def refused(*arguments: str | Path) -> str:
        result = CliRunner().invoke(app, [str(each) for each in ("conform", *arguments)])
        assert result.exit_code == 1, result.output
        return result.stderr

    assert "never changed" in refused(old, source, "-o", source)
    assert "never changed" in refused(old, source, "-o", old)
    assert "no stems of Selva" in refused(source, source, "-o", tmp_path / "out.otio")
    assert "OLD=NEW" in refused(old, source, "-o", tmp_path / "out.otio", "--relink", "x")
    assert not (tmp_path / "out.otio").exists()
    (tmp_path / "own.otio").write_bytes(source.read_bytes())
    assert "--replace" in refused(old, source, "-o", tmp_path / "own.otio")
    assert conform(old, source, tmp_path / "own.otio", "--replace")["timeline"]
    assert json.loads(json.dumps(conform(old, source, tmp_path / "out.otio")))["timeline"]


TAKE_EFFECTS = "\n".join(
    (
        "<TAKEFX",
        '<VST "VST: ReaVerb" reaverb.dll 0 ""',
        "ZXZlcg==",
        ">",
        "FXID {5B2F0C6D-0000-4000-8000-00000000000A}",
        "WAK 0 0",
        ">",
    )
)


def test_in_a_reaper_project_level_fades_and_mute_of_stems_stay_and_no_old_item_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new cut is the same project, cut again, with its stems where they were."""
    monkeypatch.setattr("selva_cli.commands.conform_command.Client", None)
    monkeypatch.setattr("selva_cli.commands.conform_command.probe_or_none", lambda _path: None)
    cut = cut_builder(tmp_path, "25")
    cut.start_frame = 0
    old, new, out = (tmp_path / f"{name}.rpp" for name in ("old", "new", "out"))
    write_timeline(write_clicking_stems(build(cut, OLD_SHOTS), tmp_path), old)
    text = old.read_text(encoding="utf-8")
    stems = text[text.index("selva_track") :]
    changed = (
        stems.replace("VOLPAN 1 0 1 -1", "VOLPAN 0.25 -0.5 0.75 -1", 1)
        .replace("FADEIN 1 0 ", "FADEIN 1 0.125 ", 1)
        .replace("MUTE 0 0", "MUTE 1 0", 1)
        .replace("<SOURCE WAVE", f"{TAKE_EFFECTS}\n<SOURCE WAVE", 1)
    )
    old.write_text(text.replace(stems, changed), encoding="utf-8")
    # The picture is moved by two seconds, the stems are left where they were.
    moved = old.read_text(encoding="utf-8")
    picture, rest = moved[: moved.index("selva_track")], moved[moved.index("selva_track") :]
    for record, _, _ in OLD_SHOTS:
        picture = picture.replace(f"POSITION {record / 25:g}\n", f"POSITION {record / 25 + 2:g}\n")
    new.write_text(picture + rest, encoding="utf-8")
    conform(old, new, out)
    with open_timeline(out) as opened:
        items = [placed for sub in read_subtracks(opened.timeline, "Click") for placed in sub.items]
        assert [float(placed.start_s * 25) for placed in items] == [record + 50 for record, _, _ in OLD_SHOTS]
        first = items[0].item
        known = first.metadata["REAPER"]
        assert (known["volume"], known["pan"], known["take_volume"]) == ("0.25", "-0.5", "0.75")
        assert (known["fade_in_s"], first.enabled) == ("0.125", False)
        assert all(placed.item.enabled for placed in items[1:])
    lines = [line.strip() for line in out.read_text(encoding="utf-8").splitlines()]
    start = lines.index("<TAKEFX")
    assert lines.count("<TAKEFX") == 1
    written, wanted = lines[start : start + 7], TAKE_EFFECTS.splitlines()
    assert [line for line in written if not line.startswith("FXID ")] == [*wanted[:4], *wanted[5:]]


def test_the_volume_that_an_editor_set_in_final_cut_goes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stem is louder, with a fade of its volume; the other is as it was placed."""
    monkeypatch.setattr("selva_cli.commands.conform_command.Client", None)
    monkeypatch.setattr("selva_cli.commands.conform_command.probe_or_none", lambda _path: None)
    cut = cut_builder(tmp_path, "25")
    old, new, out = (tmp_path / f"{name}.fcpxml" for name in ("old", "new", "out"))
    write_timeline(write_clicking_stems(build(cut, OLD_SHOTS), tmp_path), old)
    text = old.read_text(encoding="utf-8")
    head, note, rest = text.partition("</note>")
    assert note
    volume = '<adjust-volume amount="6dB"><param name="amount"><fadeIn type="easeIn" duration="1/5s" /></param></adjust-volume>'
    old.write_text(head + note + volume + rest, encoding="utf-8")
    write_timeline(build(cut, COVERED_SHOTS), new)
    conform(old, new, out)
    written = out.read_text(encoding="utf-8")
    levels = {
        int(clip.range_in_parent().start_time.value): [effect.metadata["level"] for effect in clip.effects]
        for clip, _ in iter_stems(load_timeline(out))
    }
    louder = {start: found for start, found in levels.items() if found}
    assert louder == {40: [pytest.approx(10 ** (6 / 20))]}
    # Both takes of its audition have it, so that they are compared alike.
    assert written.count("<adjust-volume") == written.count('<fadeIn type="easeIn" duration="1/5s"') == 2


def test_the_level_that_an_editor_set_in_xml_goes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selva_cli.commands.conform_command.Client", None)
    monkeypatch.setattr("selva_cli.commands.conform_command.probe_or_none", lambda _path: None)
    cut = cut_builder(tmp_path, "25")
    timeline = write_clicking_stems(build(cut, OLD_SHOTS), tmp_path)
    first = next(clip for clip, _ in iter_stems(timeline))
    first.effects.append(
        otio.schema.Effect(name="Audio Levels", effect_name="audiolevels", metadata={"level": 0.25})
    )
    old, new, out = (tmp_path / f"{name}.xml" for name in ("old", "new", "out"))
    write_timeline(timeline, old)
    write_timeline(build(cut, COVERED_SHOTS), new)
    conform(old, new, out)
    levels = {}
    for clip, _ in iter_stems(load_timeline(out)):
        start = int(clip.range_in_parent().start_time.value)
        levels[start] = [effect.metadata["level"] for effect in clip.effects]
    assert levels == {5: [], 40: [0.25], 70: []}


def test_a_stem_goes_on_where_its_shot_was_drawn_out_and_keeps_what_was_heard(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    rate, cut = RATES["25"], cut_builder(tmp_path, "25")
    source = write_cut(build(cut, ((10, 25, 20),)), tmp_path / "cut.otio")
    longer = ((20, 15, 50),)
    old, new = tmp_path / "old.otio", write_cut(build(cut, longer), tmp_path / "new.otio")
    [first, second] = render(source, old, *TRACK, "--handles", "0.08", "--takes", "2")["stems"]
    handles = ("--handles", "0.1")  # 2 frames and a half, of which whole ones are made
    shown = conform(old, new, tmp_path / "out.otio", *handles, "--dry-run")
    report = conform(old, new, tmp_path / "out.otio", *handles)
    assert [stem["actions"] for stem in report["stems"]] == [["extend"], ["moved", "extended"], ["extend"]]
    assert shown["shots"][0]["stems"] == ["Click: moved, extended", "Click: extend"]
    assert (shown["stems"], shown["shots"]) == (report["stems"], report["shots"])
    [(clip, noted)] = iter_stems(load_timeline(tmp_path / "out.otio"))
    assert [(stem["take"], stem["clip"]) for stem in report["rendered"]] == [(1, "at 20"), (2, "at 20")]
    assert heard(tmp_path / "out.otio", rate) == pytest.approx(seen(rate, longer), abs=1)
    assert len(seen(rate, longer)) > len(seen(rate, ((10, 25, 20),)))
    for before, after in zip((first, second), report["rendered"], strict=True):
        one, other = (soundfile.read(each["file"], dtype="int32")[0] for each in (before, after))
        head = round(
            10 / rate * 48_000
        )  # the shot begins 10 frames earlier, the stem had 2 of them, and gets 2 more
        assert np.array_equal(one[4_800:-4_800], other[head + 4_800 : head + len(one) - 4_800])
        assert len(other) == round(54 / rate * 48_000)
    assert [take["url"].split("/")[-1] for take in noted["takes"]] == [
        Path(stem["file"]).name for stem in report["rendered"]
    ]
    assert set(clip.media_references()) == {"take_1", "take_2"}
    again = conform(tmp_path / "out.otio", new, tmp_path / "again.otio")
    assert (again["rendered"], [stem["actions"] for stem in again["stems"]]) == ([], [["kept"]])


def test_a_stem_that_does_not_say_how_it_was_made_gets_a_new_one_beside_it(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    rate, cut = RATES["25"], cut_builder(tmp_path, "25")
    source = write_cut(build(cut, ((10, 25, 20),)), tmp_path / "cut.otio")
    old, new = tmp_path / "old.otio", write_cut(build(cut, ((20, 15, 50),)), tmp_path / "new.otio")
    [stem] = render(source, old, *TRACK)["stems"]
    samples, _ = soundfile.read(stem["file"])
    soundfile.write(stem["file"], samples, 48_000, subtype="PCM_24")
    shown = conform(old, new, tmp_path / "out.otio", "--dry-run")
    report = conform(old, new, tmp_path / "out.otio")
    assert len(report["rendered"]) == 2
    assert [stem["actions"] for stem in shown["stems"]] == [["render"], ["moved"], ["render"]]
    assert shown["stems"] == report["stems"]
    assert len(list(iter_stems(load_timeline(tmp_path / "out.otio")))) == 3
    assert heard(tmp_path / "out.otio", rate) == pytest.approx(seen(rate, ((20, 15, 50),)), abs=1)
