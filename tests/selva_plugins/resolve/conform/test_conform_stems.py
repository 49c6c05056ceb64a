"""The entry "Conform stems": what edits of a timeline do to its stems, from the menu through the bridge and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_core.base.paths import AppPaths
from tests.selva_plugins.resolve.clicking_scenes import clicks_on, clips_on, sample_at
from tests.selva_plugins.resolve.conftest import StartConversation
from tests.selva_plugins.resolve.conversation import Conversation
from tests.selva_plugins.resolve.double import model
from tests.selva_plugins.resolve.double.builds import build
from tests.selva_plugins.resolve.scenes import RATES, Scene, build_scene
from tests.support.flashes import write_flashing_clip

RATE = RATES["24"]
FLASHES = {12, 30, 47, 80, 110}
CONFORM = "Conform stems"


class Edited:
    """A timeline with two clips of one movie and the stems of a render; frames count from the timeline's start."""

    def __init__(self, start_conversation: StartConversation, folder: Path, version: str = "21.1.0") -> None:
        self.scene: Scene = build_scene(rate=RATE)
        movie = write_flashing_clip(folder / "flash.avi", rate=RATE, num_frames=120, flashes=FLASHES)
        media = self.scene.add_media(movie, duration_s=120 / RATE)
        self.clips = [
            self.scene.add_clip(media, at=0, frames=40, source=5),
            self.scene.add_clip(media, at=40, frames=30, source=70),
        ]
        self.media = media
        self.conversation: Conversation = start_conversation(build(version, "studio"), self.scene)
        self.conversation.type_prompts("Dog: small dog barking")
        assert "2 stems placed" in self.conversation.choose("Generate stems").text

    def move(self, clip: model.Item, at: int) -> None:
        clip.start = self.scene.timeline.start_frame + at

    def trim(self, clip: model.Item, *, head: int = 0, tail: int = 0) -> None:
        clip.start += head
        clip.source_start += head
        clip.duration -= head + tail

    def conform(self) -> str:
        """Choose the entry twice; the console's text of both."""
        shown = self.conversation.choose(CONFORM).text
        return shown + self.conversation.choose(CONFORM).text

    def places(self, track: str = "Dog") -> list[tuple[int, int, int]]:
        """Start, length and offset into the file of each stem."""
        first = self.scene.timeline.start_frame
        items = sorted(clips_on(self.scene, track), key=lambda item: item.start)
        return [(item.start - first, item.duration, int(item.source_start)) for item in items]

    def seen(self) -> list[int]:
        """The samples at which flashes are seen."""
        first = self.scene.timeline.start_frame
        clips: Sequence[model.Item] = self.scene.timeline.tracks["video"][0].items
        return sorted(
            sample_at((clip.start - first + flash - clip.source_start) / RATE)
            for clip in clips
            for flash in FLASHES
            if clip.source_start <= flash < clip.source_start + clip.duration
        )


def spoil(item: model.Item, key: str) -> None:
    """Turn round the value of what a stem's file says of itself, or the name of what has no simple value."""
    assert item.media is not None
    file = Path(item.media.path)
    content = file.read_bytes()
    found = re.search(rb'"' + key.encode() + rb'": "([0-9a-f]*)', content)
    assert found is not None
    turned = found[1] or key.encode()
    file.write_bytes(content.replace(found[0], found[0].replace(turned, turned[::-1])))


@pytest.fixture
def edited(start_conversation: StartConversation, tmp_path: Path, paths: AppPaths) -> Edited:
    return Edited(start_conversation, tmp_path)


def test_the_list_is_shown_first_and_nothing_is_done(edited: Edited) -> None:
    edited.move(edited.clips[1], 100)
    text = edited.conversation.choose(CONFORM).text
    assert "1 kept, 1 moved" in text
    assert "choose 'Conform stems' once more" in text
    assert edited.places() == [(0, 40, 0), (40, 30, 0)]


def test_stems_go_with_their_clips_and_are_trimmed_with_them(edited: Edited) -> None:
    edited.move(edited.clips[0], 200)
    edited.move(edited.clips[1], 0)
    edited.trim(edited.clips[1], head=4, tail=6)
    edited.conform()
    assert edited.places() == [(4, 20, 4), (200, 40, 0)]
    assert clicks_on(edited.scene.timeline, "Dog") == pytest.approx(edited.seen(), abs=1)


def test_a_stem_goes_on_where_its_clip_was_drawn_out_and_keeps_what_was_heard(edited: Edited) -> None:
    old = clips_on(edited.scene, "Dog")[1]
    edited.move(edited.clips[1], 100)
    edited.trim(edited.clips[1], head=-4, tail=-10)
    text = edited.conform()
    assert "2 stretches to render, 2 of them as the rest of a stem" in text
    assert "Dog: moved; Dog: extend" in text
    assert edited.places() == [(0, 40, 0), (96, 44, 0)]
    assert clicks_on(edited.scene.timeline, "Dog") == pytest.approx(edited.seen(), abs=1)
    new = max(clips_on(edited.scene, "Dog"), key=lambda item: item.start)
    assert old.media is not None
    assert new.media is not None
    one, other = (soundfile.read(media.path, dtype="int32")[0] for media in (old.media, new.media))
    inside = slice(4_800, len(one) - 4_800)
    assert np.array_equal(one[inside], other[8_000 : 8_000 + len(one)][inside])
    assert "[Selva stem" in new.media.metadata["Comments"]
    assert "stems: 2 kept" in edited.conform()


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("picture", "1 stretch to render ("),
        ("weights_sha256", "the stem does not go on, a new one lies beside it: "),
    ],
)
def test_a_stem_that_cannot_go_on_gets_a_new_one_beside_it(edited: Edited, key: str, says: str) -> None:
    """One does not say how it was made, and other weights than the daemon's made the other."""
    spoil(clips_on(edited.scene, "Dog")[1], key)
    edited.trim(edited.clips[1], tail=-10)
    assert says in edited.conform()
    assert [place[:2] for place in edited.places()] == [(0, 40), (40, 30), (70, 10)]
    assert clicks_on(edited.scene.timeline, "Dog") == pytest.approx(edited.seen(), abs=1)


def test_a_new_clip_gets_the_prompt_of_all_others(edited: Edited) -> None:
    edited.scene.add_clip(edited.media, at=120, frames=3, source=46)
    edited.conform()
    assert [place[:2] for place in edited.places()] == [(0, 40), (40, 30), (120, 3)]


def test_a_stem_that_was_moved_along_is_not_taken_for_that_of_a_clip_with_some_of_its_frames(
    start_conversation: StartConversation, tmp_path: Path, paths: AppPaths
) -> None:
    edited = Edited(start_conversation, tmp_path)
    first = edited.clips[0]
    # Its last 5 frames are the first of the clip beside it, which lies nearer to where the stem is moved.
    edited.scene.add_clip(edited.media, at=100, frames=30, source=40)
    assert "stems placed" in edited.conversation.choose("Generate stems").text
    edited.move(first, 200)
    edited.move(next(item for item in clips_on(edited.scene, "Dog") if item.duration == 40), 200)
    assert "stems: 3 kept" in edited.conform()
    assert edited.places() == [(40, 30, 0), (100, 30, 0), (200, 40, 0)]


def test_a_stem_whose_clip_is_gone_is_removed(edited: Edited) -> None:
    edited.scene.timeline.tracks["video"][0].items.remove(edited.clips[0])
    text = edited.conform()
    assert "1 removed" in text
    assert edited.places() == [(40, 30, 0)]


def test_an_edit_between_the_list_and_the_yes_shows_the_list_again(edited: Edited) -> None:
    edited.move(edited.clips[1], 100)
    edited.conversation.choose(CONFORM)
    edited.move(edited.clips[1], 120)
    assert "once more" in edited.conversation.choose(CONFORM).text
    assert edited.places() == [(0, 40, 0), (40, 30, 0)]
    edited.conversation.choose(CONFORM)
    assert edited.places() == [(0, 40, 0), (120, 30, 0)]


def test_other_sounds_and_a_locked_track_stay(edited: Edited) -> None:
    music = edited.scene.add_audio_track("Music")
    sound = edited.scene.add_sound(music, at=40, frames=30)
    dog = next(track for track in edited.scene.timeline.tracks["audio"] if track.name == "Dog")
    dog.locked = True
    edited.move(edited.clips[1], 100)
    text = edited.conversation.choose(CONFORM).text
    assert "its track 'Dog' is locked" in text
    dog.locked = False
    edited.conform()
    assert edited.places() == [(0, 40, 0), (100, 30, 0)]
    assert (music.items, sound.start) == ([sound], edited.scene.timeline.start_frame + 40)


def test_level_and_fades_of_a_stem_that_moves_stay(edited: Edited) -> None:
    stem = clips_on(edited.scene, "Dog")[1]
    stem.properties["AudioVolume"], stem.fades["FadeOut"] = -6.0, 5
    edited.move(edited.clips[1], 100)
    edited.conform()
    moved = max(clips_on(edited.scene, "Dog"), key=lambda item: item.start)
    assert moved is not stem
    assert (moved.properties["AudioVolume"], moved.fades["FadeOut"]) == (-6.0, 5)


def test_a_stem_that_an_editor_silenced_moves_on_its_own_track_and_stays_silent(edited: Edited) -> None:
    """Another track of the name is not its own, though Resolve finds that one first."""
    tracks = edited.scene.timeline.tracks["audio"]
    dog = next(track for track in tracks if track.name == "Dog")
    tracks.insert(0, model.Track("audio", "Dog", sub_type="mono"))
    dog.enabled, dog.sub_type = False, "stereo"
    stem = clips_on(edited.scene, "Dog")[1]
    stem.enabled, stem.properties["AudioPan"] = False, 40.0
    edited.move(edited.clips[1], 100)
    edited.conform()
    moved = max(clips_on(edited.scene, "Dog"), key=lambda item: item.start)
    assert moved is not stem
    assert moved in dog.items
    assert (moved.enabled, moved.properties["AudioPan"]) == (False, 40.0)
    assert len(dog.items) == 2


def test_without_a_kept_cut_stems_are_found_by_their_files(edited: Edited) -> None:
    for file in (edited.conversation.home.exchange.folder / "cuts").iterdir():
        file.unlink()
    edited.move(edited.clips[1], 100)
    edited.scene.add_clip(edited.media, at=150, frames=3, source=46)
    text = edited.conform()
    assert "the cut of the last placement is not known here" in text
    assert edited.places() == [(0, 40, 0), (100, 30, 0)]


def test_a_timeline_without_stems_names_the_next_step(
    start_conversation: StartConversation, paths: AppPaths
) -> None:
    scene = build_scene(rate=RATE)
    conversation = start_conversation(build("21.1.0", "studio"), scene)
    assert "choose 'Generate stems' first" in conversation.choose(CONFORM).text


def test_a_clip_that_was_split_has_its_stem_in_both_parts(edited: Edited) -> None:
    """Resolve ignores a second item of one media on a track, so that each part has a file of its own."""
    edited.trim(edited.clips[0], tail=20)
    edited.scene.add_clip(edited.media, at=200, frames=15, source=5 + 20)
    edited.conform()
    assert edited.places() == [(0, 20, 0), (40, 30, 0), (200, 15, 20)]
    assert set(edited.seen()) <= set(clicks_on(edited.scene.timeline, "Dog"))
    assert len({item.media for item in clips_on(edited.scene, "Dog")}) == 3
    assert "stems: 3 kept" in edited.conform()


def test_a_stem_whose_file_is_cut_off_is_named_with_what_it_lacks_and_stays(edited: Edited) -> None:
    media = clips_on(edited.scene, "Dog")[1].media
    assert media is not None
    file = Path(media.path)
    file.write_bytes(file.read_bytes()[: -24_000 * 3])
    edited.move(edited.clips[0], 100)
    edited.move(edited.clips[1], 200)
    text = edited.conform()
    assert re.search(
        rf"left as it is: {file.name} on Dog: .* is cut off: its last 0\.\d\d s are missing; make it again",
        text,
    )
    assert edited.places() == [(40, 30, 0), (100, 40, 0)]
