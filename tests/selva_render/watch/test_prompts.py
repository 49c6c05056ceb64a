"""What is heard in an item: its cue sheet, or the rules of the nearest `selva.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from selva_otio.errors import CueError
from selva_render.watch.inbox import VIDEO, InboxItem
from selva_render.watch.prompts import ItemPrompts, find_prompts

RULES = """
takes = 2
[[rule]]
match = "proxy/*"
ignore = true
[[rule]]
match = "*_INT_*"
model = "selva-echo"
[[rule.cue]]
track = "Room"
prompt = "quiet room tone"
[[cue]]
track = "Ambience"
prompt = "wind"
"""


def prompts_of(root: Path, name: str, *, cues: str | None = None) -> ItemPrompts:
    item = InboxItem(kind=VIDEO, path=root / name, cues=None if cues is None else root / cues)
    return find_prompts(item, root)


def heard(prompts: ItemPrompts) -> list[str]:
    return [row.stem_track.prompt for row in prompts.rows]


def test_the_first_rule_that_matches_says_what_is_heard_and_how(tmp_path: Path) -> None:
    (tmp_path / "selva.toml").write_text(RULES)
    inside = prompts_of(tmp_path, "day1/sc_int_01.mov")
    assert (heard(inside), inside.model, inside.takes) == (["quiet room tone"], "selva-echo", 2)
    outside = prompts_of(tmp_path, "day1/sc_ext_01.mov")
    assert (heard(outside), outside.model, outside.takes) == (["wind"], None, 2)
    assert prompts_of(tmp_path, "proxy/sc_int_01.mov").is_ignored
    assert not prompts_of(tmp_path, "sc_proxy.mov").is_ignored


def test_the_nearest_file_of_rules_counts_and_none_above_the_watch_folder(tmp_path: Path) -> None:
    root = tmp_path / "in"
    (root / "day1").mkdir(parents=True)
    (tmp_path / "selva.toml").write_text(RULES)
    assert prompts_of(root, "day1/walk.mov") == ItemPrompts()
    (root / "selva.toml").write_text(RULES)
    (root / "day1" / "selva.toml").write_text('[[cue]]\ntrack = "Sea"\nprompt = "waves"\n')
    assert heard(prompts_of(root, "day1/walk.mov")) == ["waves"]
    assert heard(prompts_of(root, "day2/walk.mov")) == ["wind"]


def test_its_own_cue_sheet_counts_before_rules_whose_options_stay(tmp_path: Path) -> None:
    (tmp_path / "selva.toml").write_text(RULES)
    (tmp_path / "walk.cues.csv").write_text("track,prompt\nSteps,boots\n")
    found = prompts_of(tmp_path, "walk.mov", cues="walk.cues.csv")
    assert (heard(found), found.takes) == (["boots"], 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rules]]\n", "'rules' is not known.*did you mean 'rule'"),
        ('hook = ["rm"]\n', "'hook' is not known"),
        ("[[rule]]\nignore = true\n", "match"),
        ('takes = "two"\n', "takes is a whole number"),
        ('[[cue]]\ntrack = "Dog"\n', "needs a prompt"),
        ("cue = 3\n", r"\[\[cue\]\] tables"),
        ("[[cue\n", "TOML"),
    ],
)
def test_rules_that_are_wrong_are_refused_with_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "selva.toml").write_text(text)
    with pytest.raises(CueError, match=message):
        prompts_of(tmp_path, "walk.mov")
