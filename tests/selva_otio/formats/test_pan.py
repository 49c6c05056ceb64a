"""The pan of a stem over time in files of each format, opened by readers that are not ours; reported where it is lost."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

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
from selva_otio.formats.pan_keyframes import build_keyframes
from selva_otio.formats.profiles import find_profile
from selva_otio.timelines import WrittenTimeline
from tests.selva_otio.cuts import CutBuilder
from tests.selva_otio.formats.fcpxml.element_order import iter_faults

RATE_HZ = 48_000
DOG = StemTrack(name="Dog", prompt="small dog barking")
PAN = ((0.04, -1.0), (0.44, 0.5), (2.0, 0.5))
"""From hard left to half right within ten frames."""


@pytest.fixture
def cut() -> CutBuilder:
    return CutBuilder(rate_hz=25, media_start_frame=90_000)


def panned(
    cut: CutBuilder,
    folder: Path,
    *,
    pan: tuple[tuple[float, float], ...] = PAN,
    num_channels: int = 1,
    handles_s: Fraction = Fraction(0),
    num_takes: int = 1,
) -> otio.schema.Timeline:
    """Clips "a" of 20 and "b" of 30 frames with a gap of 5 between them, and a stem for each. Only "b" can have a handle
    before it: the timeline begins with "a".
    """
    track = cut.track(cut.clip("a", offset=100, frames=20), cut.gap(5), cut.clip("b", offset=50, frames=30))
    timeline = cut.timeline(track)
    sheet = spot_timeline(timeline, [DOG], base_folder=folder, options=SpotOptions(handles_s=handles_s))
    stems = [
        Stem(
            cue=cue.id,
            take=take,
            seed=take,
            file=folder / f"{cue.clip.name}-{take}.wav",
            sample_rate_hz=RATE_HZ,
            num_samples=measure_span(cue.clip, sheet.clock, RATE_HZ).num_samples,
            num_channels=num_channels,
            pan=pan,
        )
        for cue in sheet.cues
        for take in range(1, num_takes + 1)
    ]
    return place_stems(timeline, sheet, stems).timeline


def write(timeline: otio.schema.Timeline, path: Path, host: str | None = None) -> WrittenTimeline:
    return write_timeline(timeline, path, profile=find_profile(host))


def losses_of_pan(written: WrittenTimeline) -> list[str]:
    return [loss for loss in written.losses if "no pan over time" in loss]


@pytest.mark.parametrize(
    ("suffix", "is_held"),
    [(".rpp", True), (".fcpxml", True), (".xml", True), (".otio", False), (".edl", False), (".mlt", False)],
)
def test_pan_is_held_or_reported_as_lost(cut: CutBuilder, tmp_path: Path, suffix: str, is_held: bool) -> None:
    with_pan = write(panned(cut, tmp_path), tmp_path / f"pan{suffix}")
    without = write(panned(cut, tmp_path, pan=()), tmp_path / f"plain{suffix}")
    assert losses_of_pan(without) == []
    assert bool(losses_of_pan(with_pan)) is not is_held
    if not is_held:
        assert losses_of_pan(with_pan)[0].endswith("--pan stereo puts it into their files (2)")


def test_timelines_keep_the_points_in_their_metadata_and_give_them_to_the_next_format(
    cut: CutBuilder, tmp_path: Path
) -> None:
    write(panned(cut, tmp_path), tmp_path / "cut.otio")
    write(load_timeline(tmp_path / "cut.otio"), tmp_path / "again.rpp")
    assert "<PANENV" in (tmp_path / "again.rpp").read_text(encoding="utf-8")


def read_envelopes(path: Path) -> list[list[list[str]]]:
    """The PT lines of each take's pan envelope, read by the parser of the package rpp."""
    rpp = pytest.importorskip("rpp", reason="rpp is not installed")
    with path.open(encoding="utf-8") as file:
        root = rpp.load(file)
    items = [item for track in root.findall(".//TRACK") for item in track.findall("ITEM")]
    return [
        [list(point[1:]) for point in env.findall("PT")] for item in items for env in item.findall("PANENV")
    ]


def test_reaper_projects_have_a_take_envelope_whose_values_run_the_other_way(
    cut: CutBuilder, tmp_path: Path
) -> None:
    write(panned(cut, tmp_path), tmp_path / "out.rpp")
    first, second = read_envelopes(tmp_path / "out.rpp")
    assert [[float(number) for number in point] for point in first] == [
        [0.0, 1.0, 0.0],
        [0.04, 1.0, 0.0],
        [0.44, -0.5, 0.0],
        [0.8, -0.5, 0.0],
    ]
    assert float(second[-1][0]) == 1.2


def test_each_take_of_an_item_has_its_envelope(cut: CutBuilder, tmp_path: Path) -> None:
    write(panned(cut, tmp_path, num_takes=2), tmp_path / "out.rpp")
    assert len(read_envelopes(tmp_path / "out.rpp")) == 4


def test_a_handle_is_no_part_of_an_envelope(cut: CutBuilder, tmp_path: Path) -> None:
    write(panned(cut, tmp_path, handles_s=Fraction(1, 5)), tmp_path / "out.rpp")
    _, second = read_envelopes(tmp_path / "out.rpp")
    assert [float(number) for number in second[0][:2]] == [0.0, pytest.approx(0.4)]
    assert [float(number) for number in second[1][:2]] == [pytest.approx(0.24), -0.5]


def test_a_stem_is_replaced_as_long_as_its_envelope_is_as_placed(cut: CutBuilder, tmp_path: Path) -> None:
    placed = panned(cut, tmp_path)
    path = tmp_path / "out.rpp"
    write(placed, path)
    assert _edited(path) == []
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("PT 0.44 -0.5 0", "PT 0.44 0.3 0", 1), encoding="utf-8")
    assert len(_edited(path)) == 1
    path.write_text(text.replace("ACT 1 -1", "ACT 0 -1", 1), encoding="utf-8")
    assert len(_edited(path)) == 1


def _edited(path: Path) -> list[str]:
    """The clips whose stem on a project's timeline an editor has changed."""
    timeline = load_timeline(path)
    sheet = spot_timeline(timeline, [DOG], base_folder=path.parent)
    stems = [
        Stem(cue=cue.id, take=1, seed=9, file=path.parent / "new.wav", sample_rate_hz=RATE_HZ, num_samples=1)
        for cue in sheet.cues
    ]
    return [cue.clip.name for cue in place_stems(timeline, sheet, stems).edited_cues]


def test_fcpxml_has_keyframes_of_its_panner_in_the_clips_own_time(cut: CutBuilder, tmp_path: Path) -> None:
    path = tmp_path / "out.fcpxml"
    write(panned(cut, tmp_path, handles_s=Fraction(1, 5)), path)
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    assert list(iter_faults(root)) == []
    [_, second] = root.iter("adjust-panner")
    assert second.attrib == {"mode": "1", "amount": "-40.0"}
    keyframes = [(point.get("time"), point.get("value")) for point in second.iter("keyframe")]
    # The stem's own clock: its clip starts 5 frames in, after the handle.
    assert keyframes == [("1/5s", "-40.0"), ("11/25s", "50.0"), ("7/5s", "50.0")]
    [param] = second
    assert (param.tag, param.get("name")) == ("param", "amount")


def test_final_cut_pro_7_xml_has_keyframes_on_frames_of_the_media(cut: CutBuilder, tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    write(panned(cut, tmp_path, handles_s=Fraction(1, 5)), path)
    root = ET.parse(path).getroot()  # noqa: S314
    effects = [effect for effect in root.iter("effect") if effect.findtext("effectid") == "audiopan"]
    assert len(effects) == 2
    [parameter] = effects[1].findall("parameter")
    names = ("parameterid", "valuemin", "valuemax", "value")
    assert [parameter.findtext(name) for name in names] == ["pan", "-1", "1", "-0.4000"]
    points = [(point.findtext("when"), point.findtext("value")) for point in parameter.findall("keyframe")]
    assert points == [("5", "-0.4000"), ("11", "0.5000"), ("35", "0.5000")]
    [item] = [each for each in root.iter("clipitem") if effects[1] in each.iter("effect")]
    assert (item.findtext("in"), item.findtext("out")) == ("5", "35")


def test_aaf_has_one_pan_around_each_panned_track(cut: CutBuilder, tmp_path: Path) -> None:
    aaf2 = pytest.importorskip("aaf2", reason="pyaaf2 is not installed")
    written = write(panned(cut, tmp_path), tmp_path / "out.aaf")
    assert losses_of_pan(written) == []
    with aaf2.open(str(tmp_path / "out.aaf")) as file:
        (composition,) = file.content.toplevel()
        slot = next(slot for slot in composition.slots if slot.name == "Dog")
        group = slot.segment
        assert group.operation.auid == aaf2.auid.AUID("9d2ea893-0968-11d3-8a38-0050040ef7d2")
        [sequence] = group.segments
        assert (group.length, sequence.length) == (105_600, 105_600)
        [curve] = group.parameters
        assert curve.parameterdef.name == "Pan"
        points = [
            (round(float(point.time) * 2.2, 3), round(float(point.value), 3)) for point in curve.pointlist
        ]
    # 0 is left and 1 right; between the stems the pan stays, and the second begins with its own.
    assert points == [
        *[(0.0, 0.0), (0.04, 0.0), (0.44, 0.75), (0.8, 0.75)],
        *[(1.0, 0.0), (1.04, 0.0), (1.44, 0.75), (2.2, 0.75)],
    ]


def test_aaf_with_a_pan_is_read_with_its_stems_where_they_are(cut: CutBuilder, tmp_path: Path) -> None:
    if "AAF" not in otio.adapters.available_adapter_names():
        pytest.skip("otio-aaf-adapter is not installed")
    write(panned(cut, tmp_path, pan=()), tmp_path / "plain.aaf")
    write(panned(cut, tmp_path), tmp_path / "panned.aaf")
    plain, with_pan = load_timeline(tmp_path / "plain.aaf"), load_timeline(tmp_path / "panned.aaf")
    assert _places(with_pan) == _places(plain)
    assert len(_places(plain)) == 2


def _places(timeline: otio.schema.Timeline) -> list[tuple[str, str, otio.opentime.TimeRange]]:
    return [
        (str(track.name), str(clip.name), clip.transformed_time_range(clip.trimmed_range(), timeline.tracks))
        for track in timeline.audio_tracks()
        for clip in track.find_clips()
    ]


def test_a_stereo_stem_is_called_stereo_and_a_mono_one_mono(cut: CutBuilder, tmp_path: Path) -> None:
    for num_channels, layout in ((1, "Mono"), (2, "Stereo")):
        stems = panned(cut, tmp_path, pan=(), num_channels=num_channels)
        write(stems, tmp_path / "resolve.otio", "resolve")
        write(stems, tmp_path / "premiere.otio", "premiere")
        write(stems, tmp_path / "cut.fcpxml")
        resolve = otio.adapters.read_from_file(str(tmp_path / "resolve.otio")).audio_tracks()[0]
        assert resolve.metadata["Resolve_OTIO"]["Audio Type"] == layout
        channels = next(iter(resolve.find_clips())).metadata["Resolve_OTIO"]["Channels"]
        assert [each["Source Channel ID"] for each in channels] == list(range(num_channels))
        premiere = otio.adapters.read_from_file(str(tmp_path / "premiere.otio")).audio_tracks()[0]
        expected = {"ChannelType": layout, "NumberOfChannels": num_channels}
        assert dict(premiere.metadata["PremierePro_OTIO"]["AudioChannels"]) == expected
        assets = ET.parse(tmp_path / "cut.fcpxml").getroot().iter("asset")  # noqa: S314
        assert {asset.get("audioChannels") for asset in assets} - {None} == {str(num_channels)}


def test_a_stereo_stem_is_not_raised_for_mlt_as_a_mono_one_is(cut: CutBuilder, tmp_path: Path) -> None:
    for num_channels, num_raised in ((1, 2), (2, 0)):
        write(panned(cut, tmp_path, pan=(), num_channels=num_channels), tmp_path / "cut.mlt")
        filters = ET.parse(tmp_path / "cut.mlt").getroot().iter("filter")  # noqa: S314
        assert len(list(filters)) == num_raised


def test_several_points_on_a_frame_are_one_keyframe() -> None:
    points = ((0.0, 0.1), (0.005, 0.2), (0.04, 0.3))
    assert build_keyframes(points, Fraction(25)) == [(0, 0.2), (1, 0.3)]
