"""The page in Chromium, against a server that keeps the contract: keys, listening, work, access, and many clips."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from tests.selva_panel.page.conftest import RunScript

FADE_S = 0.012
SAMPLE_S = 1 / 48000


def assert_clean(seen: dict[str, Any]) -> None:
    """Nothing went wrong in the page, the policy forbade nothing, and nothing was asked of another machine."""
    assert seen["problems"] == []
    assert seen["outside"] == []


@pytest.fixture(scope="module")
def listened(run_browser: RunScript) -> dict[str, Any]:
    return run_browser("listen.mjs")


def test_axe_finds_nothing_in_any_view_of_either_theme_and_narrow_pages_fit(run_browser: RunScript) -> None:
    seen = run_browser("access.mjs")
    assert_clean(seen)
    assert seen["violations"] == {}
    assert seen["measures"] == [["Sync", "90 %"], ["Leak", "\u221223 dB"]]
    assert seen["narrow"] == {"sideways": 0, "covered": 0}, "at 800 pixels the page scrolls downwards only"


def test_everything_is_done_by_keys_and_text_stays_text(run_browser: RunScript) -> None:
    seen = run_browser("keys.mjs")
    assert_clean(seen)
    assert seen["firstCell"].startswith("Footsteps, street; take 1 of 3; seen")
    assert seen["ownPrompt"].startswith("Dog, garden; not seen; left out")
    assert seen["takenAlong"] == "Dog, garden; not seen"
    assert [name for name, _ in seen["afterDuplicate"]] == ["Footsteps", "Dog", "Dog 2", "Bicycle bell"]
    assert [mute for _, mute in seen["afterDuplicate"]] == [False, True, True, False]
    assert seen["evilCell"] == "<img src=x, <script>document.title='hacked'</script>"
    assert seen["images"] == 0
    assert "hacked" not in seen["title"]
    assert seen["typedKeysStayInTheField"] == 4
    assert {"Space", "J", "K", "L", "1 \u2013 9", "Enter", "Ctrl Z", "?"} <= set(seen["listed"])
    assert seen["timecode"] == "01:00:01:01"
    assert seen["typedTimecode"] == 90000 + 3 * 25 + 7
    assert seen["nextCut"] == 90000 + 2 * 60
    assert all(name.endswith("?") for name in seen["namesAfterUndo"]), "another page's edit is not taken back"
    assert all(name.endswith("!") for name in seen["namesAfterConflict"])
    assert seen["lang"] == "ja"


def test_the_whole_way_is_gone_without_a_mouse_and_every_stop_has_a_name(run_browser: RunScript) -> None:
    seen = run_browser("flow.mjs")
    assert_clean(seen)
    assert seen["stretch"] == "1.00\u20132.00 s"
    offset = 2400
    assert (seen["redo"]["from_samples"], seen["redo"]["to_samples"]) == (offset + 48_000, offset + 96_000)
    assert len(seen["stops"]) > 20
    nameless = [stop for stop in seen["stops"] if not re.match(r"^- (text: \S|'?[a-z]+ \".+\")", stop)]
    assert nameless == []
    assert (seen["calm"], seen["lively"]) == ("0s", "0.2s"), "nothing moves for those who asked for that"


def test_stems_are_heard_as_placed_while_the_picture_follows(listened: dict[str, Any]) -> None:
    seen = listened
    assert_clean(seen)
    assert seen["pictureRan"]
    assert seen["stopped"]
    assert seen["loudest"] > 0.4
    assert seen["difference"] == 0, "the mix of the page is the sum of the files, to the last bit"
    assert seen["production"] == "true"
    assert seen["productionBefore"] == 0, (
        "the server mixes the cut's own sound only when somebody wants to hear it"
    )
    assert seen["productionAskedFor"] > 0


def test_takes_are_switched_without_a_gap(listened: dict[str, Any]) -> None:
    spans = listened["spans"]
    first, other = spans[0], spans[-1]
    overlap_s = first["until"] - other["when"]
    assert FADE_S <= overlap_s <= FADE_S + 0.011, "the old take fades while the new one comes"
    assert other["offset"] - first["offset"] == pytest.approx(other["when"] - first["when"], abs=SAMPLE_S / 2)


def test_loop_goes_round_without_a_gap(listened: dict[str, Any]) -> None:
    seen = listened
    rounds = seen["looped"]
    assert [round(span["offset"], 6) for span in rounds] == [0.45] * 6
    for one, following in pairwise(rounds):
        assert following["when"] == pytest.approx(one["until"], abs=SAMPLE_S / 2)
    assert 3600 + 10 / 25 - 0.1 <= seen["inLoop"] <= 3600 + 25 / 25


def test_work_goes_from_looking_to_placing_and_back(run_browser: RunScript) -> None:
    seen = run_browser("work.mjs")
    assert_clean(seen)
    assert seen["verdict"].startswith("Seen in the picture")
    assert seen["notSeen"].startswith("Not seen in the picture")
    assert seen["includedByDefault"] is False
    assert seen["notSeenWasLeftOut"]
    redo = seen["redo"]
    assert redo["stem_id"] == "s-r0-c0-1"
    length = 60 / 25 * 48000
    assert redo["from_samples"] == pytest.approx(2400 + 0.25 * length, abs=0.02 * length)
    assert redo["to_samples"] == pytest.approx(2400 + 0.5 * length, abs=0.02 * length)
    assert "kept" in seen["kept"]
    kind, name, url = seen["offered"].split(":", 2)
    assert (kind, name) == ("audio/wav", "Footsteps street take 1.wav")
    assert url == seen["dragged"]["text/uri-list"]
    assert seen["sameBytes"], "what is dropped is the stem's file, byte for byte"
    assert seen["planned"] > 10
    assert seen["conflicts"] == 1
    assert seen["nothingPlacedYet"]
    assert seen["saved"] == seen["exported"] == "cut.otio"
    assert seen["error"] == "⚠ The disk is full.Free 2 GB."


def test_faults_lose_nothing_and_are_shown_once(run_browser: RunScript) -> None:
    seen = run_browser("faults.mjs")
    assert_clean(seen)
    assert seen["rowsLeft"] == 2, "a key that is held removes one track"
    assert seen["framesMoved"] == 3, "and moves frame by frame"
    assert seen["placeButtons"] == ["Look again"]
    assert seen["failures"] == 1
    assert seen["shown"] == "كلب ينبح 🐕 <b>loud</b>"
    assert seen["chip"] == "Session ended"
    assert seen["dropped"] == "01:00:00;"
    assert seen["playsAfterTwoPresses"] is False


def test_messages_of_the_server_are_in_the_language_of_the_page_by_their_codes(
    run_browser: RunScript,
) -> None:
    seen = run_browser("languages.mjs")
    assert_clean(seen)
    for language, begins in (("de", "⚠ Der Speicher reicht nicht."), ("ja", "⚠ メモリが足りません。")):
        assert seen[language]["notice"].startswith(begins)
        assert seen[language]["detail"] == ["en", "CUDA ran out of memory on take 2"]
        assert seen[language]["unknown"] == "⚠ a fault of tomorrow", "what has no words is shown as it came"
    assert seen["de"]["clip"].startswith("⚠ Die Bilddatei fehlt.")
    assert seen["de"]["footer"] == "Kein Clip des Schnitts kann gerendert werden; jeder sagt, warum."
    assert seen["en"]["notice"] == "⚠ CUDA ran out of memory on take 2"
    assert seen["en"]["detail"] is None


def test_two_thousand_clips_open_with_only_what_is_on_the_screen(run_browser: RunScript) -> None:
    seen = run_browser("large.mjs", 2000, 10, 20)
    assert_clean(seen)
    for view in ("at_start", "at_end", "whole_cut"):
        assert seen[view]["nodes"] < 500
        assert seen[view]["canvases"] < 60
    assert seen["strips"] < 150
