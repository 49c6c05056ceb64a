"""What a step is: it says what it would touch, whether it is done, does it, and undoes it."""

from __future__ import annotations

import abc

from steps.setup import Setup


class Step(abc.ABC):
    """name: its key in the record, for ever. title: what a person reads.

    `apply` may have been interrupted anywhere when it is called again. Whatever it makes or changes stands in the record before
    it happens, and `undo` goes by the record alone.
    """

    name: str
    title: str

    @abc.abstractmethod
    def plan(self, setup: Setup) -> list[str]:
        """What `apply` would touch, a line each; nothing is touched to find out."""

    @abc.abstractmethod
    def is_done(self, setup: Setup) -> bool:
        """Whether there is nothing to do."""

    @abc.abstractmethod
    def apply(self, setup: Setup) -> None:
        """Do it. Raises SetupError, OSError."""

    def undo(self, setup: Setup) -> None:  # noqa: B027 - many steps have nothing to undo
        """Take it back, as far as it was done. Raises SetupError, OSError."""

    def plan_undo(self, setup: Setup) -> list[str]:
        """What `undo` would touch, a line each."""
        return [f"remove {path}" for path in setup.record.made(self.name)]
