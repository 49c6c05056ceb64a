"""Stems of a host that may lie elsewhere than at the last render: moved along with their picture, slipped against it, copied with
it, or put aside by hand. Pure and exact.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from fractions import Fraction

from selva_otio.conform.cut_shots import CutShot
from selva_otio.conform.plan import StemMove

MAX_SLIP_S = Fraction(1)
"""A stem that lies farther from every place of its picture was put there by hand for another reason, and stays."""


def find_place(
    displaced_s: Fraction, shot: CutShot, new: Iterable[CutShot]
) -> tuple[Fraction, Fraction] | None:
    """How much later than in the old cut the picture of a stem is taken to lie where the stem lies now, and how much later still
    the stem lies (its slip); None for one that lies near no place of its picture.

    displaced_s: how much later the stem lies than in the old cut. shot: that it was made for. new: shots of the new cut, with the
    media names of the old one.
    """
    shifts = (shot.shift_to(other) for other in new)
    places = [Fraction(0), *(shift for shift in shifts if shift is not None)]
    place_s = min(places, key=lambda place_s: (abs(displaced_s - place_s), abs(place_s)))
    slip_s = displaced_s - place_s
    return None if abs(slip_s) > MAX_SLIP_S else (place_s, slip_s)


def settle_copies(
    moves: Sequence[StemMove],
    *,
    identify: Callable[[StemMove], Hashable],
    place_of: Callable[[StemMove], Fraction],
) -> list[StemMove]:
    """The moves without those of copies: of stems that play the same file, the one that lies on a picture already stays there,
    and no other is copied to it.

    identify: equal for stems of one track that play the same file. place_of: of `find_place`.
    """
    alike: dict[tuple[Hashable, int, Fraction], list[StemMove]] = defaultdict(list)
    for move in moves:
        alike[identify(move), move.new.cut.number, shift_of(move)].append(move)
    settled: list[StemMove] = []
    for (_, _, shift_s), same in alike.items():
        best = min((abs(place_of(move) - shift_s), abs(place_of(move)), place_of(move)) for move in same)
        settled += [move for move in same if place_of(move) == best[-1]]
    return settled


def shift_of(move: StemMove) -> Fraction:
    """How much later its file lies in the new cut than in the old one."""
    return move.file_start_s - move.stem.spot.file_start_s
