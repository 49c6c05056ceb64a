"""The page that is sent, in Chromium: in the language of the panel, with the pan that is placed, and notes that come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from selva_panel.delivery.chosen import choose_stems
from selva_panel.delivery.exported_page import LANGUAGES, check_length, read_strings, write_page
from selva_panel.errors import PanelError, PanelRequestError
from selva_panel.session.records import NOTES_SCHEMA, SessionRecord, StemRecord
from selva_panel.timeline.cut import Cut, open_cut
from selva_panel.timeline.rows import Row
from tests.selva_panel.page.conftest import ROOT, RunScript

RATE_HZ = 48_000
HANDLE_S = 0.5
PAN = ((0.5, -1.0), (2.5, 1.0))
"""Seconds of the file, which begins with a handle of half a second."""


@pytest.fixture(scope="module")
def cut() -> Cut:
    return open_cut(ROOT / "examples" / "yard.mp4")


def record_of(cut: Cut, folder: Path) -> SessionRecord:
    clip = cut.clips[0]
    length = clip.duration_frames * RATE_HZ // 25
    offset = round(HANDLE_S * RATE_HZ)
    file = folder / "dog.wav"
    soundfile.write(file, 0.1 * np.sin(np.arange(length + offset) / 20), RATE_HZ, subtype="PCM_24")
    stem = StemRecord(
        id="dog-1", row_id="dog", clip_id=clip.id, cue="", take=1, seed=42, file=str(file), prompt="small dog barking",
        negative="", model="selva-echo", start_frames=0, start_sample=0, offset_samples=offset, length_samples=length,
        sample_rate_hz=RATE_HZ, num_samples=length + offset, num_steps=25, guidance=4.5, active=True, pan=list(PAN),
        pan_mode="envelope",
    )  # fmt: skip
    row = Row(id="dog", name="Dog", prompt="small dog barking", pan="envelope")
    return SessionRecord(rows=(row,), stems=[stem])


def test_the_page_is_heard_as_placed_and_speaks_the_language_of_the_panel(
    run_browser: RunScript, cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selva_panel.delivery.exported_page.PIECE_BYTES", 10_000)
    page = tmp_path / "page.html"
    chosen = choose_stems(cut, record_of(cut, tmp_path))
    movie = ROOT / "examples" / "yard.mp4"
    write_page(page, cut, chosen, session_id="s1", movie=movie, language="de")
    seen = run_browser("sent.mjs", page.as_uri(), {"pause": "Anhalten"})
    assert (seen["problems"], seen["outside"], seen["lang"]) == ([], [], "de")
    assert seen["violations"] == []
    strings = read_strings("de")
    for key in ("sent.save", "sent.your_name", "sent.keep", "sent.send_back"):
        assert strings[key] in seen["text"]
    assert seen["picture"] > 0
    assert (seen["pausing"], seen["stands"]) == ("Anhalten", True)
    (_, first, began), *ramps = (pan for pan in seen["pans"] if pan[1] in (-1.0, 1.0))
    assert first == -1.0
    assert next(round(when - began, 3) for _, side, when in ramps if side == 1.0) == 2.0
    note = {"text": "leiser bitte", "stem_id": None, "by": "R."}
    assert seen["saved"]["schema"] == NOTES_SCHEMA
    assert {key: seen["saved"]["notes"][0][key] for key in note} == note
    assert seen["saved"]["choices"] == {"dog-1": "keep"}


def test_a_stem_that_is_placed_in_the_middle_has_no_curve(cut: Cut, tmp_path: Path) -> None:
    record = record_of(cut, tmp_path)
    record.stems[0].pan = []
    page = tmp_path / "page.html"
    movie = ROOT / "examples" / "yard.mp4"
    write_page(page, cut, choose_stems(cut, record), session_id="s1", movie=movie, language="en")
    assert '"pan":[]' in page.read_text(encoding="utf-8")


def test_every_language_has_the_words_of_the_page_and_others_are_refused() -> None:
    keys = [set(read_strings(language)) for language in LANGUAGES]
    assert keys[0] == keys[1] == keys[2] != set()
    assert "Import notes" in read_strings("en")["sent.send_back"]
    with pytest.raises(PanelRequestError, match="en, de, ja"):
        read_strings("../en")


def test_a_cut_of_more_than_an_hour_is_refused_before_anything_is_made(cut: Cut) -> None:
    clip = cut.clips[0]
    check_length(replace(cut, clips=(replace(clip, duration_frames=60 * 60 * 25),)))
    with pytest.raises(PanelError, match="60 minutes at most"):
        check_length(replace(cut, clips=(replace(clip, duration_frames=60 * 60 * 25 + 1),)))
