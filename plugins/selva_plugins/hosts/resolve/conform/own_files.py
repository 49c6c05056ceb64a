"""A file of its own for each place of a stem: Resolve was seen to ignore a second item of one clip of the media pool."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_plugins.hosts.resolve.plan_schema import PlanStem


def give_own_files(
    stems: Sequence[PlanStem], present: Iterable[Path], comments: Sequence[str]
) -> list[PlanStem]:
    """The stems of a plan, with a copy of the file for each whose file another one, or an item that stays, plays too.

    present: files of the items that stay. comments: of the copies in the media pool, one a stem. Raises OSError, OutputError.
    """
    taken = {str(file) for file in present}
    given = []
    for stem, comment in zip(stems, comments, strict=True):
        own = stem
        if stem.file in taken:
            own = replace(stem, file=str(_copy(Path(stem.file))), comment=stem.comment or comment)
        taken.add(stem.file)
        given.append(own)
    return given


def _copy(file: Path) -> Path:
    """A copy beside a file, under the next name that is free."""
    names = (file.with_name(f"{file.stem}_{number}{file.suffix}") for number in count(2))
    target = next(name for name in names if not name.exists())
    write_atomic(target, file.read_bytes())
    return target
