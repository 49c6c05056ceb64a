"""What call implementations hand to the host beside plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Opened:
    """An object that is a role of the host or the project: ProjectManager, MediaPool, Fusion."""

    kind: str
    target: Any


class DeadItem:
    """Stands for a timeline item that Resolve returns and that answers nothing."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Raised where Resolve answers with a plain None, False or empty list."""

    def __init__(self, answer: Any) -> None:
        super().__init__(repr(answer))
        self.answer = answer
