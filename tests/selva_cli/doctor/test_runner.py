"""Checks run side by side, within their time, and whatever they do is a line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from selva_cli.doctor.finding import Check, Finding, System
from selva_cli.doctor.runner import mend, run_checks
from selva_cli.doctor.table import CHECKS
from selva_core.base.errors import StorageError
from tests.selva_cli.doctor.systems import build_system


def test_lines_come_in_the_order_of_the_checks_though_they_run_side_by_side(tmp_path: Path) -> None:
    second_ran = threading.Event()

    def first(_system: System) -> Iterator[Finding]:
        assert second_ran.wait(10)
        yield Finding(title="first", text="")

    def second(_system: System) -> Iterator[Finding]:
        second_ran.set()
        yield Finding(title="second", text="")

    checks = [Check(name="a", group="", run=first), Check(name="b", group="", run=second)]
    assert [line.finding.title for line in run_checks(checks, build_system(tmp_path))] == ["first", "second"]


def test_a_check_that_fails_is_a_line_and_the_others_go_on(tmp_path: Path) -> None:
    def fail(_system: System) -> Iterator[Finding]:
        yield Finding(title="lost", text="")
        raise RuntimeError("nobody thought of this")

    def refuse(_system: System) -> Iterator[Finding]:
        raise StorageError("the disk is gone")

    checks = [
        Check(name="one", group="", run=fail),
        Check(name="two", group="", run=refuse),
        Check(name="three", group="", run=lambda _system: [Finding(title="three", text="fine")]),
    ]
    one, two, three = (line.finding for line in run_checks(checks, build_system(tmp_path)))
    assert (one.title, one.level) == ("one", "warning")
    assert "RuntimeError: nobody thought of this" in one.text
    assert (two.text, two.level) == ("the disk is gone", "fault")
    assert three.level == "ok"


def test_a_check_that_hangs_is_a_line_when_its_time_is_up(tmp_path: Path) -> None:
    end = threading.Event()

    def hang(_system: System) -> Iterator[Finding]:
        end.wait(60)
        yield Finding(title="late", text="")

    checks = [Check(name="drive", group="", run=hang, limit_s=0.05)]
    (line,) = run_checks(checks, build_system(tmp_path))
    end.set()
    assert line.finding.level == "warning"
    assert "No answer within 0.05 s" in line.finding.text
    assert line.finding.remedy.endswith("doctor --only drive")


def test_what_is_mended_is_ok_afterwards_and_what_cannot_be_stays(tmp_path: Path) -> None:
    def refuse() -> str:
        raise PermissionError("not yours")

    found = [
        Finding(title="a", text="", level="fault", remedy="x", fix=lambda: "done"),
        Finding(title="b", text="", level="fault", remedy="y", fix=refuse),
        Finding(title="c", text="", level="warning", remedy="z"),
    ]
    checks = [Check(name="all", group="", run=lambda _system: found)]
    a, b, c = mend(list(run_checks(checks, build_system(tmp_path))))
    assert (a.finding.level, a.mended, a.finding.remedy) == ("ok", "done", "")
    assert (b.finding.level, b.mended) == ("fault", "could not be mended: not yours")
    assert (c.finding.level, c.mended) == ("warning", "")


def test_every_check_has_a_name_of_its_own_and_a_limit() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)
    assert all(0 < check.limit_s <= 180 for check in CHECKS)
    assert CHECKS[-1].name == "render"
