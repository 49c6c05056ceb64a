"""Movies that an edit list assembles from several parts of their media (ISO/IEC 14496-12, 8.6.6).

FFmpeg moves frames of such files: with B-frames it loses some at each join or shows them early, and where an edit shows nothing
it shows frames of the beginning. So their media are read without the list, and it is applied here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import dropwhile

from selva_core.video.containers.iso_boxes import TrackEdit


@dataclass(frozen=True, kw_only=True)
class EditSpan:
    """A part of a movie, from `start_s` up to `end_s` of it. media_s: where it begins in the media; None where nothing is
    shown.
    """

    start_s: Fraction
    end_s: Fraction
    media_s: Fraction | None

    @property
    def media_end_s(self) -> Fraction | None:
        return None if self.media_s is None else self.media_s + self.end_s - self.start_s


def lay_out_edits(edits: Sequence[TrackEdit], tick_s: Fraction) -> Sequence[EditSpan]:
    """The parts of a movie that has several, from the first that shows something on; none for other movies, and where one of
    the parts states no length.
    """
    shown = list(dropwhile(lambda edit: edit.media_ticks is None, edits))
    if len(shown) < 2:
        return ()
    spans, start_s = [], Fraction(0)
    for edit in shown:
        if edit.duration_s is None:
            return ()
        end_s = start_s + edit.duration_s
        media_s = None if edit.media_ticks is None else edit.media_ticks * tick_s
        spans.append(EditSpan(start_s=start_s, end_s=end_s, media_s=media_s))
        start_s = end_s
    return spans


def spans_from(spans: Sequence[EditSpan], first_s: Fraction) -> Sequence[EditSpan]:
    """The part that is shown at a time of the movie, and those behind it; the last one at least."""
    return [span for span in spans if span.end_s > first_s] or spans[-1:]


def movie_times_s(spans: Sequence[EditSpan], media_times_s: Iterable[Fraction]) -> Iterator[Fraction]:
    """When frames of the media are shown in the movie: not at all, once, or several times."""
    for at_s in media_times_s:
        for span in spans:
            if span.media_s is not None and span.media_s <= at_s < span.media_s + span.end_s - span.start_s:
                yield at_s - span.media_s + span.start_s
