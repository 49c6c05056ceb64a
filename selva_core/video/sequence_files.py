"""Numbered image files on disk: which of them a pattern such as `frame.%04d.png` matches, without reading any.

This module is light: it imports neither av nor numpy.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import MediaNotFoundError, MediaUnreadableError
from selva_core.base.media import ImagePattern, ImageSequence


@dataclass(frozen=True)
class SequenceFiles:
    """A sequence on disk. played: the numbers it is played with. present: those of them that have files, ascending."""

    pattern: ImagePattern
    played: range
    present: Sequence[int]


def find_images(path: Path, images: ImageSequence) -> SequenceFiles:
    """List the folder once and find the files of a sequence.

    Raises RequestError for a path without a number; MediaNotFoundError, MediaUnreadableError where no image of the
    sequence can be found.
    """
    pattern = ImagePattern.of(path)
    numbers = sorted(_list_numbers(pattern))
    if not numbers:
        raise MediaNotFoundError(
            f"there is no image {path.name} in {pattern.folder}; relink the clip or check that its drive is mounted",
            path=str(path),
        )
    first = numbers[0] if images.first is None else images.first
    last = numbers[-1] if images.last is None else images.last
    played = range(first, last + 1, images.step)
    present = [number for number in numbers if number in played]
    if not present:
        raise MediaNotFoundError(
            f"{path.name} is to be played from image {first} to {last}; there are {numbers[0]} to {numbers[-1]}",
            path=str(path),
        )
    return SequenceFiles(pattern, played, present)


def _list_numbers(pattern: ImagePattern) -> list[int]:
    try:
        with os.scandir(pattern.folder) as entries:
            numbers = [pattern.number_of(entry.name) for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise MediaUnreadableError(
            f"the folder {pattern.folder} cannot be read: {exc.strerror or exc}", path=str(pattern.folder)
        ) from exc
    return [number for number in numbers if number is not None]
