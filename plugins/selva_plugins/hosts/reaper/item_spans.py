"""From REAPER items to the spans of picture that they show, in exact time.

An item is one span, or one per pass where it loops. Where a take shows source time `s`, sections and reversed takes lead to
the file's own time; what lies before the source's start or after its end has no picture and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from selva_core.base.rational import round_half_up
from selva_otio.time.clock import TimelineClock
from selva_plugins.hosts.reaper.snapshot import ReaperItem, ReaperTake

MAX_LOOP_PASSES = 200

# REAPER keeps times as doubles and writes about 14 digits of them; a sample at 192 kHz lasts 5.2e-6 s.
SAME_S = Fraction(1, 10_000_000)
_MAX_DENOMINATOR = 10_000_000
_MAX_RATE_DENOMINATOR = 100_000


@dataclass(frozen=True, kw_only=True)
class ItemSpan:
    """A run of an item's picture: `record_start_s` to `record_end_s` shows the file from `media_start_s` on at `speed`."""

    item: ReaperItem
    take: ReaperTake
    path: Path
    media_length_s: Fraction
    record_start_s: Fraction
    record_end_s: Fraction
    media_start_s: Fraction
    speed: Fraction

    @property
    def duration_s(self) -> Fraction:
        return self.record_end_s - self.record_start_s


def snap_seconds(seconds: float, clock: TimelineClock, sample_rate_hz: int) -> Fraction:
    """The instant a double stands for: on the frame grid, or else the sample grid, where it is within 0.1 µs of one.

    REAPER's positions are sums of doubles, so that an item on a frame lies 1e-14 s beside it; taken literally, its cue would
    begin one sample early or late.
    """
    exact = Fraction(seconds)
    for rate_hz in (clock.frame_rate_hz, Fraction(sample_rate_hz)):
        snapped = round_half_up(exact * rate_hz) / rate_hz
        if abs(snapped - exact) < SAME_S:
            return snapped
    return exact.limit_denominator(_MAX_DENOMINATOR)


class ItemSpanReader:
    """Reads items as spans of picture. `refused` and `warnings` collect sentences for the user."""

    def __init__(self, clock: TimelineClock, sample_rate_hz: int) -> None:
        self._clock = clock
        self._sample_rate_hz = sample_rate_hz
        self.refused: list[str] = []
        self.warnings: list[str] = []

    def read(self, items: Iterable[ReaperItem]) -> list[ItemSpan]:
        """The picture of all items that have one."""
        spans: list[ItemSpan] = []
        for item in items:
            reason = explain_no_picture(item)
            if reason is None and item.take is not None:
                spans += self._iter_item(item, item.take)
            else:
                self.refused.append(f"{item.label}: {reason}")
        return spans

    def _snap(self, seconds: float) -> Fraction:
        return snap_seconds(seconds, self._clock, self._sample_rate_hz)

    def _iter_item(self, item: ReaperItem, take: ReaperTake) -> Iterator[ItemSpan]:
        if take.num_stretch_markers:
            self.warnings.append(
                f"{item.label}: it has stretch markers; sound is made as if it played evenly. "
                "Glue it, or split it at the markers"
            )
        start_s = self._snap(item.position_s)
        length_s = self._snap(item.position_s + item.length_s) - start_s
        rate = Fraction(take.play_rate).limit_denominator(_MAX_RATE_DENOMINATOR)
        file_offset_s, direction = self._find_file_clock(take)
        innermost = take.sources[-1]
        for from_s, until_s, source_s in self._iter_passes(item, take, length_s, rate):
            yield ItemSpan(
                item=item,
                take=take,
                path=Path(innermost.file),
                media_length_s=self._snap(innermost.length_s),
                record_start_s=start_s + from_s,
                record_end_s=start_s + until_s,
                media_start_s=file_offset_s + direction * source_s,
                speed=direction * rate,
            )

    def _iter_passes(
        self, item: ReaperItem, take: ReaperTake, length_s: Fraction, rate: Fraction
    ) -> Iterator[tuple[Fraction, Fraction, Fraction]]:
        """(from, until, source time at from), in seconds after the item's start, of each run through the source."""
        source_length_s = self._snap(take.sources[0].length_s)
        offset_s = self._snap(take.start_offset_s)
        if item.loops:
            offset_s %= source_length_s
            if length_s * rate > MAX_LOOP_PASSES * source_length_s:
                self.refused.append(f"{item.label}: it loops more than {MAX_LOOP_PASSES} times; split it")
                return
            from_s = Fraction(0)
            while length_s - from_s > SAME_S:
                until_s = min(from_s + (source_length_s - offset_s) / rate, length_s)
                yield from_s, until_s, offset_s
                from_s, offset_s = until_s, Fraction(0)
            return
        from_s = max(Fraction(0), -offset_s / rate)
        until_s = min(length_s, (source_length_s - offset_s) / rate)
        if until_s - from_s <= SAME_S:
            self.refused.append(f"{item.label}: nothing of its source lies within the item")
            return
        if from_s > SAME_S or length_s - until_s > self._clock.cover_frames(SAME_S):
            self.warnings.append(
                f"{item.label}: its picture covers only a part of the item; so does the sound"
            )
        yield from_s, until_s, offset_s + rate * from_s

    def _find_file_clock(self, take: ReaperTake) -> tuple[Fraction, int]:
        """(file time of source time zero, direction): what sections and reversed takes make of the file's clock.

        REAPER plays a reversed take through a section that is marked as reversed, so that both are one chain of sources,
        and two reversals in it cancel out.
        """
        offset_s, direction = Fraction(0), 1
        for source in take.sources:
            if not source.is_section:
                continue
            section_start_s = self._snap(source.section_offset_s)
            if source.is_reversed:
                inner_zero_s = section_start_s + self._snap(source.section_length_s) - offset_s
                offset_s, direction = inner_zero_s, -direction
            else:
                offset_s += section_start_s
        return offset_s, direction


def explain_no_picture(item: ReaperItem) -> str | None:
    """Why no sound can be made for an item; None when it shows a moving picture."""
    if item.take is None or not item.take.sources:
        return "it is empty"
    innermost = item.take.sources[-1]
    if innermost.kind != "VIDEO" or not innermost.file:
        return f"it has no picture ({innermost.kind or 'offline media'})"
    if innermost.length_s <= 0 or item.take.sources[0].length_s <= 0 or innermost.length_is_quarter_notes:
        return "its picture has no duration (it is offline, or a still)"
    if item.length_s <= 0:
        return "it has no length"
    return None
