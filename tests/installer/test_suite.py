"""The checks of the project: what counts as failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.installer.scripts import load_script

suite = load_script("suite")

PASSES = ["-c", "pass"]
FAULT = ["-c", "raise SystemExit(1)"]
ABORTED = ["-c", "raise SystemExit(2)"]


@pytest.mark.parametrize(
    ("tests", "alone", "status"),
    [
        (PASSES, FAULT, 0),  # not looked at again
        (FAULT, PASSES, 0),
        (FAULT, FAULT, 1),
        (ABORTED, PASSES, 1),  # not all ran
    ],
)
def test_tests_that_fail_beside_others_are_run_again_alone_and_that_decides(  # noqa: PLR0917 - fixtures
    tests: list[str],
    alone: list[str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(suite, "CHECKS", ())
    monkeypatch.setattr(suite, "TESTS_ALONE", alone)
    monkeypatch.setattr(suite, "pytest_arguments", lambda *_args, **_options: tests)
    assert suite.run_checks(tmp_path, Path(sys.executable)) == status
    assert ("pass alone; mend them" in capfd.readouterr().out) == (tests is FAULT and status == 0)


def test_the_second_run_takes_only_what_failed(tmp_path: Path) -> None:
    (tmp_path / "test_race.py").write_text(
        "from pathlib import Path\n"
        "FOLDER = Path(__file__).parent\n"
        "def test_that_fails_the_first_time():\n"
        "    is_first = not (FOLDER / 'ran').exists()\n"
        "    (FOLDER / 'ran').touch()\n"
        "    assert not is_first\n"
        "def test_that_passes():\n"
        "    with (FOLDER / 'passed').open('a') as log:\n"
        "        log.write('passed ')\n",
        encoding="utf-8",
    )
    checks = [("tests", ["-m", "pytest", "-q"])]
    looks = {"tests": suite.TESTS_ALONE}
    assert suite._run_each(tmp_path, Path(sys.executable), checks, second_looks=looks) == 0
    assert (tmp_path / "passed").read_text(encoding="utf-8") == "passed "
