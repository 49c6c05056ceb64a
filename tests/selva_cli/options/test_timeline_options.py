"""Options that the commands on timelines share, as the values that are made of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from selva_cli.options.timeline_options import FileArguments, ReadArguments, RenderArguments, SpotArguments
from selva_core.base.errors import ConfigurationError, RequestError
from selva_core.base.render_options import RenderOptions, SamplingOptions
from selva_otio import SpotOptions
from selva_otio.errors import ClockError, CueError, TimelineReadError, UnsupportedFormatError
from selva_plugins.form import HostForm, build_render_options


def test_negative_prompts_go_to_all_tracks_or_to_the_one_they_name() -> None:
    arguments = SpotArguments(tracks=["Dog=bark", "Rain=rain"], negatives=["music", "rain=thunder = loud"])
    negatives = [track.negative_prompt for track in arguments.parse_tracks()]
    assert negatives == ["music", "thunder = loud"]


@pytest.mark.parametrize("negative", ["Cat=meow", "thunder = loud", "Dgo=birds"])
def test_a_negative_for_a_track_that_is_not_there_is_refused(negative: str) -> None:
    with pytest.raises(CueError, match="no --track is named") as caught:
        SpotArguments(tracks=["Dog=barking"], negatives=[negative]).parse_tracks()
    assert ("did you mean 'Dog'" in caught.value.message) == negative.startswith("Dgo")


def test_a_negative_without_tracks_is_refused_instead_of_lost() -> None:
    with pytest.raises(CueError, match="a cue sheet has a column 'negative'"):
        SpotArguments(negatives=["birds"]).parse_tracks()


def test_what_is_not_typed_is_what_the_values_have_by_default() -> None:
    assert RenderArguments().build() == RenderOptions()
    assert SpotArguments().build() == SpotOptions()


def test_what_is_typed_is_in_the_values() -> None:
    typed = RenderArguments(
        takes=2,
        seed=7,
        model="selva-echo",
        sample_rate_hz=96_000,
        num_steps=3,
        guidance=1,
        separate=1.5,
        quality="draft",
        precision="float32",
    )
    assert typed.build() == RenderOptions(
        model="selva-echo",
        num_takes=2,
        seed=7,
        sample_rate_hz=96_000,
        sampling=SamplingOptions(num_steps=3, guidance=1, quality="draft", separate=1.5),
        precision="float32",
    )
    spot = SpotArguments(video_track="V2", handles="1/2", use_markers=False, marker_colour="RED")
    assert spot.build() == SpotOptions(
        video_track="V2", handles_s=Fraction(1, 2), use_markers=False, marker_colour="RED"
    )


def test_stems_go_to_a_folder_whose_path_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = FileArguments(naming="ucs").build(stems_folder=Path("stems"), host="resolve")
    assert (output.stems_folder, output.naming) == (tmp_path / "stems", "ucs")
    assert not output.profile.has_time_reference


def test_values_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="takes are 1 to 64"):
        RenderArguments(takes=65).build()
    with pytest.raises(ClockError, match="a time is seconds"):
        SpotArguments(handles="long").build()
    with pytest.raises(RequestError, match="timecode, ucs"):
        FileArguments(naming="poetry").build(stems_folder=tmp_path)
    with pytest.raises(UnsupportedFormatError, match="no host is named"):
        FileArguments().build(stems_folder=tmp_path, host="avid")
    with pytest.raises(TimelineReadError, match="there is no folder"):
        ReadArguments(media_folders=[tmp_path / "gone"]).build()


def test_folders_with_media_that_exist_are_taken(tmp_path: Path) -> None:
    """The twin of the last refusal."""
    options = ReadArguments(media_folders=[tmp_path], frame_rate="23.976").build()
    assert (options.frame_rate, options.media_folders) == (Fraction(24_000, 1001), [tmp_path])


def test_separation_comes_from_the_settings_where_it_is_not_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELVA_SEPARATE", "1.5")
    assert RenderArguments().build().sampling.separate == 1.5
    assert RenderArguments(separate=0.0).build().sampling.separate == 0.0
    assert build_render_options(HostForm(), sample_rate_hz=48_000).sampling.separate == 1.5
    monkeypatch.setenv("SELVA_SEPARATE", "5")
    with pytest.raises(ConfigurationError, match="is 0 to 4; got 5"):
        RenderArguments().build()
