"""Hints on takes: silence, clipping, sync with what is seen, and sound at times that belong to siblings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from selva_core.audio.take_hints import TakeHints, measure_take
from selva_core.base.evidence import Evidence
from selva_daemon.protocol.status import StemHints, StemResult
from selva_otio import load_timeline
from selva_otio.formats.stem_metadata import iter_stems
from selva_plugins.bridge import list_render_notices
from selva_render.render import summarise_evidence
from selva_render.takes.hints import (
    choose_best,
    describe_hints,
    iter_hint_lines,
    measure_agreements,
    measure_hints,
)
from tests.selva_render.flashing_cuts import cut_builder, render
from tests.support.daemons import StartServer
from tests.support.flashes import write_cut

RATE_HZ = 48_000
RATE_OF_STEPS_HZ = 10


def evidence(*seen: float) -> Evidence:
    """A second for each value."""
    presence = tuple(value for value in seen for _ in range(RATE_OF_STEPS_HZ))
    return Evidence(
        rate_hz=Fraction(RATE_OF_STEPS_HZ),
        presence=presence,
        x=presence,
        y=presence,
        spread=presence,
        rows=1,
        columns=1,
        heat=bytes(len(presence)),
        whole=max(presence),
    )


def write(path: Path, *levels: float, channels: int = 1) -> Path:
    """A second of noise at each level."""
    rng = np.random.default_rng(0)
    samples = np.concatenate([level * rng.uniform(-1, 1, (RATE_HZ, channels)) for level in levels])
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    return path


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_while_only_a_sibling_is_seen_is_leak(tmp_path: Path, channels: int) -> None:
    own, sibling = evidence(1, 0, 1), evidence(0, 1, 0)
    clean = measure_take(write(tmp_path / "a.wav", 0.5, 0, 0.5, channels=channels), own, [sibling])
    leaking = measure_take(write(tmp_path / "b.wav", 0.5, 0.5, 0.5, channels=channels), own, [sibling])
    assert clean.leak_db is not None
    assert clean.leak_db < -80
    assert leaking.leak_db == pytest.approx(10 * np.log10(1 / 3), abs=0.2)
    assert leaking.rank < clean.rank


def test_without_a_sibling_or_evidence_there_is_no_leak_to_measure(tmp_path: Path) -> None:
    file = write(tmp_path / "a.wav", 0.5, 0.5)
    assert measure_take(file, evidence(1, 0), []).leak_db is None
    nothing = measure_take(file, None, [evidence(1, 1)])
    assert (nothing.leak_db, nothing.sync) == (None, None)


def test_sync_is_the_share_of_rises_while_the_source_is_seen(tmp_path: Path) -> None:
    own = evidence(0, 1)
    with_it = measure_take(write(tmp_path / "a.wav", 0, 0.5), own, [])
    against = measure_take(write(tmp_path / "b.wav", 0.5, 0), own, [])
    assert with_it.sync == pytest.approx(1.0)
    assert against.sync == pytest.approx(0.0, abs=0.01)
    assert against.rank < with_it.rank
    assert measure_take(tmp_path / "a.wav", evidence(1, 1), []).sync is None


def test_silence_and_clipping_are_distinguished_from_sound(tmp_path: Path) -> None:
    silent = measure_take(write(tmp_path / "a.wav", 0.0), None, [])
    loud = measure_take(write(tmp_path / "b.wav", 4.0), None, [])
    usual = measure_take(write(tmp_path / "c.wav", 0.5), None, [])
    assert (silent.is_silent, loud.is_silent, usual.is_silent) == (True, False, False)
    assert (usual.num_clipped, silent.num_clipped) == (0, 0)
    assert loud.num_clipped > RATE_HZ / 2
    assert silent.rank < usual.rank
    assert usual.to_json()["peak_dbfs"] == pytest.approx(-6.0, abs=0.1)
    assert isinstance(usual, TakeHints)


def hints_of(
    *, sync: float | None = None, leak_db: float | None = None, peak_dbfs: float = -6.0
) -> TakeHints:
    return TakeHints(
        peak_dbfs=peak_dbfs, is_silent=peak_dbfs < -60, num_clipped=0, sync=sync, leak_db=leak_db
    )


def stems_of(num_takes: int, folder: Path = Path()) -> list[Any]:
    return [
        SimpleNamespace(
            cue=SimpleNamespace(id="dog"),
            result=SimpleNamespace(file=str(folder / f"{number}.wav"), take=number),
        )
        for number in range(1, num_takes + 1)
    ]


def test_the_best_take_sounds_agrees_is_in_sync_and_leaks_little_and_of_equal_ones_is_the_first() -> None:
    def choose(*takes: TakeHints, agreements: Sequence[float] = ()) -> dict[str, int]:
        hints = {f"{number}.wav": take for number, take in enumerate(takes, start=1)}
        return choose_best(stems_of(len(takes)), hints, dict(zip(hints, agreements, strict=False)))

    calm = hints_of(sync=0.1)
    assert choose(calm, calm, hints_of(sync=0.9), agreements=(0.5, 0.8, 0.7)) == {"dog": 2}
    assert choose(calm, calm, hints_of(sync=0.9), agreements=(0.8, 0.8, 0.8)) == {"dog": 3}
    assert choose(calm, hints_of(peak_dbfs=-180), agreements=(0.1, 0.9)) == {"dog": 1}
    assert choose(hints_of(sync=0.5), hints_of(sync=0.9)) == {"dog": 2}
    assert choose(hints_of(sync=0.9, leak_db=-10), hints_of(sync=0.9, leak_db=-40)) == {"dog": 2}
    assert choose(hints_of(peak_dbfs=-180, sync=0.9), hints_of(sync=0.1)) == {"dog": 2}
    assert choose(hints_of(sync=0.7), hints_of(sync=0.7)) == {"dog": 1}


def test_the_take_that_most_agree_with_is_chosen_and_two_agree_as_much_with_each_other(
    tmp_path: Path,
) -> None:
    late, shared, odd = (0, 0.5, 0, 0, 0.5), (0, 0.5, 0, 0.5, 0), (0.5, 0, 0.5, 0, 0.5)
    for number, levels in enumerate((late, odd, shared, shared), start=1):
        write(tmp_path / f"{number}.wav", *levels)
    stems = stems_of(4, tmp_path)
    agreements = measure_agreements(stems)
    first, worst, *best = (agreements[stem.result.file] for stem in stems)
    assert worst < first < best[0] == best[1] < 1
    hints = {stem.result.file: hints_of() for stem in stems}
    assert choose_best(stems, hints, agreements) == {"dog": 3}
    described = {each["name"]: each["value"] for each in describe_hints(hints_of(), best[0])}
    assert described["agreement"] == round(best[0], 3)
    assert measure_agreements(stems[:2]) == {}


def test_a_take_that_cannot_be_read_agrees_with_none_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        write(tmp_path / f"{number}.wav", 0, 0.5, 0)
    (tmp_path / "3.wav").write_bytes(b"no sound")
    stems = stems_of(4, tmp_path)
    assert list(measure_agreements(stems)) == [stems[index].result.file for index in (0, 1, 3)]
    assert list(measure_agreements(stems).values()) == pytest.approx([1.0] * 3)


def test_best_of_makes_that_many_takes_keeps_all_and_says_what_was_measured(
    start_server: StartServer, tmp_path: Path
) -> None:
    start_server()
    cut = cut_builder(tmp_path, "25")
    source = write_cut(cut.timeline(cut.track(cut.clip("one", offset=0, frames=40))), tmp_path / "cut.otio")
    report = render(source, tmp_path / "out.otio", "--track", "Click=click", "--best-of", "2")
    assert [stem["take"] for stem in report["stems"]] == [1, 2]
    assert all(each["unit"] or each["name"] == "silent" for stem in report["stems"] for each in stem["hints"])
    assert all(each["meaning"] for stem in report["stems"] for each in stem["hints"])
    hints = [{each["name"]: each["value"] for each in stem["hints"]} for stem in report["stems"]]
    assert all(each["silent"] is False and each["peak_dbfs"] > -20 and each["sync"] is None for each in hints)
    [(_, noted)] = iter_stems(load_timeline(tmp_path / "out.otio"))
    assert (noted["active_take"], len(noted["takes"])) == (1, 2)
    both = ("--best-of", "2", "--takes", "3")
    refused = render(source, tmp_path / "other.otio", "--track", "Click=click", *both, status=1)
    assert "give one of the two" in refused["error"]["message"]
    assert not (tmp_path / "other.otio").exists()


def test_timelines_note_what_says_something_and_hosts_list_it_last() -> None:
    known = StemHints(peak_dbfs=-6.0, silent=False, clipped_samples=0, sync=0.81, leak_db=-23.4)
    plain = StemHints(peak_dbfs=-6.0, silent=False, clipped_samples=0)
    stems = [rendered_stem(number, hints) for number, hints in enumerate((known, plain, None), start=1)]
    noted = [dict(summarise_evidence(stem.result)) for stem in stems]
    assert noted == [{"sync": 0.81, "leak_db": -23.4}, {}, {}]
    hints = measure_hints(stems)
    assert list(hints) == ["/gone/1.wav", "/gone/2.wav"]  # what was measured by nobody, and is gone, has none
    [line] = iter_hint_lines(stems, hints)
    assert (
        line
        == "Dog, shot A, take 1: 81% of its rises while its source is seen; -23 dB of its energy while only others are seen"
    )
    report: Any = SimpleNamespace(
        failed=[], stems=stems, hint_lines=[f"stem {number}" for number in range(30)]
    )
    notices = list_render_notices([report])
    assert (len(notices), notices[0]) == (21, "measured, a hint for the ear: stem 0")
    assert notices[-1].endswith("and 10 more stems")


class ShotA:
    """What the hints read of a clip, with a hash as clips have one."""

    name = "shot A"


def rendered_stem(number: int, hints: StemHints | None) -> Any:
    result = StemResult(
        cue="dog",
        track="Dog",
        take=number,
        seed=1,
        file=f"/gone/{number}.wav",
        sample_rate_hz=48_000,
        num_samples=1,
        cached=False,
        hints=hints,
    )
    cue = SimpleNamespace(id="dog", track="Dog", clip=ShotA)
    return SimpleNamespace(cue=cue, result=result)
