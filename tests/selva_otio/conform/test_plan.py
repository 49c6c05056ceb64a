"""What becomes of stems in a new cut: edit by edit."""

from __future__ import annotations

import opentimelineio as otio
import pytest

from selva_otio import SpotOptions, StemTrack, place_stems, spot_timeline
from selva_otio.errors import CueError, NothingToSpotError
from selva_otio.placement.stem_tracks import read_subtracks
from tests.selva_otio.conform.conformed_cuts import (
    CUT,
    DOG,
    FOLDER,
    RAIN,
    conform,
    cut,
    stems_for,
    with_stems,
)


def clip(name: str, offset: int, frames: int, **options: object) -> otio.schema.Clip:
    return CUT.clip(name, offset=offset, frames=frames, url=f"file:///media/{name}.mov", **options)  # type: ignore[arg-type]


def test_shots_that_change_places_take_their_stems_along() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    done = conform(old, cut(CUT.gap(7), clip("b", 50, 30), clip("a", 0, 20)))
    assert done.placed() == [("dog-b-50", 7, 37, 0), ("dog-a-0", 37, 57, 0)]
    assert done.rendered() == []
    assert done.shots() == [("b", "moved"), ("a", "moved")]


def test_a_cut_that_has_not_changed_keeps_everything() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    done = conform(old, cut(clip("a", 0, 20), clip("b", 50, 30)))
    assert done.placed() == [("dog-a-0", 0, 20, 0), ("dog-b-50", 20, 50, 0)]
    assert {row.actions for row in done.changes.stems} == {("kept",)}


def test_a_trimmed_shot_trims_its_stem_at_the_same_frame() -> None:
    old = with_stems(cut(clip("a", 10, 40)))
    done = conform(old, cut(clip("a", 15, 25)))
    assert done.placed() == [("dog-a-10", 0, 25, 5)]
    assert done.shots() == [("a", "moved trimmed")]


def test_an_extended_shot_uses_the_handles_first_and_renders_the_rest() -> None:
    old = with_stems(cut(clip("a", 100, 40)), handles=8)
    done = conform(old, cut(clip("a", 96, 60)))
    assert done.placed() == [("dog-a-100", 0, 52, 4)]
    assert done.rendered() == [("Dog", "a", 52, 60)]
    assert done.shots() == [("a", "moved extended")]
    assert done.changes.stems[0].actions == ("moved", "extended")


def test_a_split_shot_plays_its_stem_in_two_parts() -> None:
    old = with_stems(cut(clip("a", 0, 40)))
    done = conform(old, cut(clip("a", 0, 10), clip("b", 0, 5), clip("a", 20, 20)), wanted=[DOG])
    assert done.placed() == [("dog-a-0", 0, 10, 0), ("dog-a-0", 15, 35, 20)]
    assert done.rendered() == [("Dog", "b", 10, 15)]
    assert done.shots() == [("a", "trimmed split"), ("b", "new"), ("a", "moved trimmed split")]


def test_the_change_list_names_the_file_of_a_stem_as_it_is_on_disk() -> None:
    done = conform(with_stems(cut(clip("a", 0, 40)), DOG), cut(CUT.gap(5), clip("a", 0, 40)))
    assert [row.file for row in done.changes.stems] == ["Dog-a-0-1.wav"]


def test_a_shot_that_is_used_twice_has_its_stem_twice() -> None:
    old = with_stems(cut(clip("a", 0, 40)))
    done = conform(old, cut(clip("a", 0, 40), clip("a", 10, 20)))
    assert done.placed() == [("dog-a-0", 0, 40, 0), ("dog-a-0", 40, 60, 10)]
    assert [kinds for _, kinds in done.shots()] == ["repeated", "moved trimmed repeated"]


def test_two_shots_that_are_joined_again_play_both_stems_without_a_gap() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 0, 9), clip("a", 20, 20)))
    done = conform(old, cut(clip("a", 0, 40)))
    assert done.placed() == [("dog-a-0", 0, 20, 0), ("dog-a-20", 20, 40, 0)]
    assert done.rendered() == []
    assert done.shots() == [("a", "moved joined"), ("b", "removed")]


def test_a_retimed_shot_is_rendered_anew_with_its_prompt() -> None:
    old = with_stems(cut(clip("a", 0, 40), clip("b", 0, 10)))
    done = conform(old, cut(clip("a", 0, 20, speed=2.0), clip("b", 0, 10)))
    assert done.placed() == [("dog-b-0", 20, 30, 0)]
    assert done.rendered() == [("Dog", "a", 0, 20)]
    assert done.plan.sheet.cues[0].prompt == DOG.prompt
    assert done.shots() == [("a", "retimed"), ("b", "moved")]
    assert [(dropped.reason) for dropped in done.plan.dropped] == ["its shot plays at another speed"]


def test_a_freeze_frame_keeps_its_stem_and_another_frozen_frame_is_a_retime() -> None:
    old = with_stems(cut(clip("a", 30, 20, speed=0.0)))
    assert conform(old, cut(CUT.gap(4), clip("a", 30, 12, speed=0.0))).placed() == [("dog-a-30", 4, 16, 0)]
    assert conform(old, cut(clip("a", 31, 20, speed=0.0))).placed() == []


def test_a_reversed_shot_that_is_trimmed_keeps_its_frames() -> None:
    old = with_stems(cut(clip("a", 100, 40, speed=-1.0)))
    done = conform(old, cut(clip("a", 100, 30, speed=-1.0)))
    # In reverse the range plays from its end: without its last 10 frames, the first 10 that were seen are gone.
    assert [row[1:] for row in done.placed()] == [(0, 30, 10)]


def test_removed_shots_leave_their_stems_out_and_say_so() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    done = conform(old, cut(clip("b", 50, 30)))
    assert done.placed() == [("dog-b-50", 0, 30, 0)]
    dropped = [row for row in done.changes.stems if row.actions == ("dropped",)]
    assert [(row.clip, row.reason) for row in dropped] == [("a", "its shot is not in the new cut")]


def test_a_new_shot_gets_the_prompt_that_every_shot_had_and_no_other() -> None:
    everywhere = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)), DOG)
    done = conform(everywhere, cut(clip("a", 0, 20), clip("c", 0, 12), clip("b", 50, 30)))
    assert done.rendered() == [("Dog", "c", 20, 32)]
    somewhere = place_only(cut(clip("a", 0, 20), clip("b", 50, 30)), "a")
    done = conform(somewhere, cut(clip("a", 0, 20), clip("c", 0, 12), clip("b", 50, 30)))
    assert done.rendered() == []
    assert [each.cut.name for each in done.plan.without_prompt] == ["c"]


def place_only(timeline: otio.schema.Timeline, name: str) -> otio.schema.Timeline:
    sheet = spot_timeline(timeline, [DOG], base_folder=FOLDER)
    cues = {cue.id for cue in sheet.cues if cue.clip.name == name}
    return place_stems(timeline, sheet, [stem for stem in stems_for(sheet) if stem.cue in cues]).timeline


def test_prompts_of_the_user_are_for_new_shots_and_new_stem_tracks() -> None:
    old = with_stems(cut(clip("a", 0, 20)), DOG)
    new = cut(clip("a", 0, 20), clip("c", 0, 12))
    other_dog = StemTrack(name="dog", prompt="large dog howling")
    done = conform(old, new, wanted=[other_dog, RAIN])
    assert [(cue.track, cue.prompt, cue.clip.name) for cue in done.plan.sheet.cues] == [
        ("Rain", RAIN.prompt, "a"),
        ("dog", other_dog.prompt, "c"),
        ("Rain", RAIN.prompt, "c"),
    ]


def test_the_take_that_an_editor_chose_the_mute_and_the_effects_stay() -> None:
    old = with_stems(cut(clip("a", 0, 40), clip("b", 0, 20)), takes=3)
    first, second = (item for item in old.tracks[1] if isinstance(item, otio.schema.Clip))
    first.active_media_reference_key = "take_3"
    first.effects.append(otio.schema.Effect(name="gain", effect_name="Level", metadata={"level": 0.5}))
    first.markers.append(otio.schema.Marker(name="listen", marked_range=CUT.span(3, 1)))
    second.enabled = False
    old.tracks[1].enabled = False
    done = conform(old, cut(clip("b", 0, 20), clip("a", 5, 30)))
    track = done.result.timeline.tracks[1]
    moved_second, moved_first = (item for item in track if isinstance(item, otio.schema.Clip))
    assert moved_first.active_media_reference_key == "take_3"
    assert sorted(moved_first.media_references()) == ["take_1", "take_2", "take_3"]
    assert [effect.metadata["level"] for effect in moved_first.effects] == [0.5]
    assert [marker.name for marker in moved_first.markers] == ["listen"]
    assert not moved_second.enabled
    assert not track.enabled


def test_a_muted_stem_is_moved_and_not_extended() -> None:
    old = with_stems(cut(clip("a", 10, 20)))
    old.tracks[1][0].enabled = False
    done = conform(old, cut(clip("a", 10, 30)))
    assert done.placed() == [("dog-a-10", 0, 20, 0)]
    assert done.rendered() == []


def test_a_stem_that_an_editor_slipped_and_trimmed_keeps_its_place_on_the_picture() -> None:
    old = with_stems(cut(clip("a", 100, 40)), handles=10)
    item = old.tracks[1][0]
    # Two frames late against the picture, and heard from frame 6 to 36 of it.
    item.source_range = CUT.span(10 + 4, 30)
    old.tracks[1].insert(0, CUT.gap(6))
    done = conform(old, cut(CUT.gap(50), clip("a", 90, 60)))
    assert done.placed() == [("dog-a-100", 66, 96, 14)]
    assert done.rendered() == []
    again = read_subtracks(done.result.timeline, "Dog")[0].items[0]
    assert not again.is_as_placed(done.plan.new.clock), "it is the editor's still"


def test_a_moved_stem_is_replaced_by_a_later_render_like_one_that_lies_where_it_was_placed() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)), handles=5)
    new = cut(clip("b", 40, 50), clip("a", 5, 10))
    done = conform(old, new)
    sheet = spot_timeline(done.result.timeline, [DOG], base_folder=FOLDER, options=SpotOptions())
    placement = place_stems(done.result.timeline, sheet, stems_for(sheet))
    assert placement.edited_cues == ()
    assert len(placement.timeline.tracks) == 2
    assert [item.name for item in placement.timeline.tracks[1].find_clips()] == ["Dog - b", "Dog - a"]


def test_what_an_editor_put_on_a_stem_track_goes_with_the_shot_over_which_it_lies() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    own = otio.schema.Clip(
        name="thump",
        media_reference=otio.schema.ExternalReference(
            target_url="file:///fx/thump.wav", available_range=CUT.span(0, 100)
        ),
        source_range=CUT.span(12, 10),
    )
    track = old.tracks[1]
    stem = track[1]
    stem.source_range = CUT.span(0, 15)
    track.append(own)
    done = conform(old, cut(clip("b", 50, 30), clip("a", 0, 20)))
    assert done.placed() == [("dog-b-50", 0, 15, 0), ("thump.wav", 15, 25, 12), ("dog-a-0", 30, 50, 0)]


def test_a_cross_fade_stays_where_its_stems_still_meet_and_is_counted_where_not() -> None:
    old = with_stems(cut(clip("a", 20, 20), clip("b", 50, 30)), handles=8)
    old.tracks[1].insert(1, CUT.dissolve(4, 4))
    meeting = conform(old, cut(CUT.gap(9), clip("a", 20, 20), clip("b", 50, 30)))
    kinds = [type(child).__name__ for child in meeting.result.timeline.tracks[1]]
    assert kinds == ["Gap", "Clip", "Transition", "Clip"]
    assert meeting.result.num_cross_fades_lost == 0
    lost = conform(old, cut(clip("b", 50, 30), clip("a", 20, 20)))
    assert lost.result.num_cross_fades_lost == 1


def test_stems_that_overlap_lie_on_two_tracks_of_one_name() -> None:
    old = with_stems(cut(clip("a", 20, 20), CUT.dissolve(4, 4), clip("b", 50, 30)), DOG)
    assert len(read_subtracks(old, "Dog")) == 2
    done = conform(old, cut(CUT.gap(5), clip("a", 20, 20), CUT.dissolve(4, 4), clip("b", 50, 30)))
    assert done.placed() == [("dog-a-20", 5, 29, 0), ("dog-b-46", 21, 55, 0)]
    assert len(read_subtracks(done.result.timeline, "Dog")) == 2


def test_stems_that_lie_in_the_new_cut_already_are_not_there_twice() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    new = cut(clip("b", 50, 30), clip("a", 0, 20))
    new.tracks.append(old.tracks[1].clone())
    done = conform(old, new)
    assert done.placed() == [("dog-b-50", 0, 30, 0), ("dog-a-0", 30, 50, 0)]
    assert [track.name for track in done.result.timeline.tracks] == ["V1", "Dog"]


def test_an_old_cut_that_holds_sound_only_is_known_from_its_stems() -> None:
    old = with_stems(cut(clip("a", 0, 20), clip("b", 50, 30)))
    del old.tracks[0]
    done = conform(old, cut(clip("b", 55, 20), clip("a", 0, 20)))
    assert done.placed() == [("dog-b-50", 0, 20, 5), ("dog-a-0", 20, 40, 0)]


def test_a_cut_without_stems_or_without_shots_is_refused() -> None:
    plain = cut(clip("a", 0, 20))
    with pytest.raises(CueError, match="no stems of Selva to conform"):
        conform(plain, plain)
    with pytest.raises(NothingToSpotError, match="no shot with media"):
        conform(with_stems(plain), cut(CUT.gap(20)))
    assert conform(with_stems(plain), plain).placed()


def test_a_medium_that_the_user_names_and_no_shot_shows_is_a_warning() -> None:
    old, new = with_stems(cut(clip("a", 0, 40))), cut(clip("b", 3, 40))
    named = conform(old, new, relinked={"/media/b.mov": "/media/a.mov"})
    assert named.plan.warnings == ()
    of_no_old_shot = conform(old, new, relinked={"/media/b.mov": "/media/A2.mov"})
    assert "was not used: no shot of OLD shows /media/A2.mov" in " ".join(of_no_old_shot.plan.warnings)
    of_no_new_shot = conform(old, new, relinked={"/media/b2.mov": "/media/a.mov"})
    assert "no shot of the new cut shows /media/b2.mov" in " ".join(of_no_new_shot.plan.warnings)
