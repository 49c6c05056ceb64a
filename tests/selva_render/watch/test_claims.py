"""Several watchers of one share: who renders what, when one dies, and what the others know of it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from selva_render.watch import claims
from selva_render.watch.claims import ClaimFolder, ClaimKeeper, Owner, forget_claims

KEY = "ab" + 62 * "0"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def watcher(
    folder: Path, clock: Clock, *, journal: str, machine: str | None = None, pid: int | None = None
) -> ClaimFolder:
    """On a machine of its own where one is named: another's processes cannot be seen."""
    owner = Owner.of_this_process(journal)
    owner = replace(owner, host=machine or owner.host, pid=pid or owner.pid)
    return ClaimFolder(folder, owner, expiry_s=60.0, now_s=clock)


def test_one_watcher_gets_an_input_and_the_others_know_what_came_of_it(tmp_path: Path, clock: Clock) -> None:
    one, other = (watcher(tmp_path, clock, journal=name, machine=name) for name in ("one", "other"))
    claim = one.try_claim(KEY, "walk.mov")
    assert claim is not None
    assert other.try_claim(KEY, "walk.mov") is None
    assert one.try_claim(KEY, "copy.mov") is None
    assert one.finish(claim, claims.DONE, {"results": "/out/walk"})
    known = other.read(KEY)
    assert known is not None
    assert (known.state, known.source, known.outcome) == ("done", "walk.mov", {"results": "/out/walk"})
    assert other.try_claim(KEY, "walk.mov") is None
    assert other.try_claim(KEY[::-1], "run.mov") is not None


def test_a_watcher_that_stays_silent_loses_its_claim_and_one_that_renews_it_does_not(
    tmp_path: Path, clock: Clock
) -> None:
    one, other = (watcher(tmp_path, clock, journal=name, machine=name) for name in ("one", "other"))
    claim = one.try_claim(KEY, "walk.mov")
    assert claim is not None
    for _ in range(4):
        assert other.try_claim(KEY, "walk.mov") is None
        clock.now_s += 40
        claim = one.renew(claim)
        assert claim is not None
    assert other.try_claim(KEY, "walk.mov") is None
    clock.now_s += 61
    taken = other.try_claim(KEY, "walk.mov")
    assert taken is not None
    assert taken.number == 2
    assert one.renew(claim) is None
    assert not one.finish(claim, claims.DONE)
    assert other.finish(taken, claims.FAILED, {"failures": ["no picture"]})
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_clocks_of_machines_are_not_compared(tmp_path: Path) -> None:
    ahead, behind = Clock(), Clock()
    ahead.now_s = 1e9
    claim = watcher(tmp_path, behind, journal="one", machine="one").try_claim(KEY, "walk.mov")
    assert claim is not None
    other = watcher(tmp_path, ahead, journal="other", machine="other")
    assert other.try_claim(KEY, "walk.mov") is None
    ahead.now_s += 59
    assert other.try_claim(KEY, "walk.mov") is None
    ahead.now_s += 2
    assert other.try_claim(KEY, "walk.mov") is not None


def test_of_a_dead_process_of_this_machine_a_claim_is_taken_over_immediately(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = watcher(tmp_path, clock, journal="one", pid=999_999)
    assert one.try_claim(KEY, "walk.mov") is not None
    other = watcher(tmp_path, clock, journal="other")
    monkeypatch.setattr("selva_render.watch.claims.process_is_alive", lambda pid: True)
    assert other.try_claim(KEY, "walk.mov") is None
    monkeypatch.setattr("selva_render.watch.claims.process_is_alive", lambda pid: pid != 999_999)
    assert other.try_claim(KEY, "walk.mov") is not None


def test_after_a_restart_a_watcher_goes_on_with_its_own_claim(tmp_path: Path, clock: Clock) -> None:
    assert watcher(tmp_path, clock, journal="one").try_claim(KEY, "walk.mov") is not None
    again = watcher(tmp_path, clock, journal="one").try_claim(KEY, "moved.mov")
    assert again is not None
    assert (again.number, again.earlier_source) == (2, "walk.mov")


def test_an_ended_attempt_is_tried_again_once_by_all_that_know_it(tmp_path: Path, clock: Clock) -> None:
    one, other = (watcher(tmp_path, clock, journal=name, machine=name) for name in ("one", "other"))
    claim = one.try_claim(KEY, "walk.mov")
    assert claim is not None
    one.finish(claim, claims.FAILED)
    again = one.try_claim(KEY, "walk.mov", after=claim.number)
    assert again is not None
    one.finish(again, claims.DONE)
    assert other.try_claim(KEY, "walk.mov", after=claim.number) is None
    assert other.try_claim(KEY, "walk.mov", after=again.number) is not None


def test_a_claim_that_was_given_up_is_free(tmp_path: Path, clock: Clock) -> None:
    one, other = (watcher(tmp_path, clock, journal=name, machine=name) for name in ("one", "other"))
    claim = one.try_claim(KEY, "walk.mov")
    assert claim is not None
    keeper = ClaimKeeper()
    keeper.hold(one, claim)
    keeper.drop_all()
    keeper.close()
    assert other.try_claim(KEY, "walk.mov") is not None


def test_a_claim_file_that_is_empty_or_damaged_counts_until_it_has_been_so_for_a_while(
    tmp_path: Path, clock: Clock
) -> None:
    one = watcher(tmp_path, clock, journal="one", machine="one")
    assert one.try_claim(KEY, "walk.mov") is not None
    (file,) = tmp_path.rglob("*.json")
    for content in (b"", b"{", b"[]", json.dumps({"owner": 3}).encode()):
        file.write_bytes(content)
        other = watcher(tmp_path, clock, journal="other", machine="other")
        assert other.try_claim(KEY, "walk.mov") is None
        clock.now_s += 61
    assert other.try_claim(KEY, "walk.mov") is not None


@pytest.mark.parametrize("has_links", [True, False])
def test_of_many_watchers_that_begin_together_one_gets_the_input(
    has_links: bool, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_links:  # exFAT and some shares

        def refuse(*_: object) -> None:
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr("selva_render.watch.claims.os.link", refuse)
    barrier = threading.Barrier(8)
    won: list[str] = []

    def begin(name: str) -> None:
        folder = watcher(tmp_path, clock, journal=name, machine=name)
        barrier.wait()
        if folder.try_claim(KEY, "walk.mov") is not None:
            won.append(name)

    threads = [threading.Thread(target=begin, args=(f"machine {number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_forgotten_input_is_free_for_all(tmp_path: Path, clock: Clock) -> None:
    one = watcher(tmp_path, clock, journal="one")
    claim = one.try_claim(KEY, "walk.mov")
    assert claim is not None
    one.finish(claim, claims.DONE)
    forget_claims(tmp_path, [KEY])
    assert one.read(KEY) is None
    assert one.try_claim(KEY, "walk.mov") is not None
