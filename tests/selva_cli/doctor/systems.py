"""Machines for checks to look at: any system, any variables, programs that answer what a test says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from selva_cli.doctor.finding import Finding, ProgramOutput, System
from selva_core.base.paths import AppPaths


def build_system(folder: Path, *, output: ProgramOutput | None = None, **fields: Any) -> System:
    """A system whose folders are below `folder`; every program prints `output`, and none is on the PATH."""

    def run(
        _command: Sequence[str], _limit_s: float, _variables: Mapping[str, str] | None = None
    ) -> ProgramOutput:
        assert output is not None, "a program was run"
        return output

    paths = AppPaths(state=folder / "state", cache=folder / "cache", config=folder / "config")
    values: dict[str, Any] = {
        "platform": "linux",
        "environment": {},
        "home": folder,
        "paths": paths,
        "which": lambda _name: None,
        "run": run,
    }
    return System(**{**values, **fields})


def levels(findings: Iterable[Finding]) -> dict[str, str]:
    """The level of each line by its title."""
    return {finding.title: finding.level for finding in findings}
