"""Hours of the week in which something may run: "20:00-07:00", "mon-fri 20:00-07:00, sat-sun 00:00-24:00".

A range whose end is not after its start goes on into the next day, of which the day named is the first. No range at all means
always. Times are those of the wall clock of this machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_PER_DAY = 1440
_RANGE = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})"
)


@dataclass(frozen=True, kw_only=True)
class HourRange:
    """On each of `days` (0 is Monday) from `start_min` to `end_min` minutes after midnight; the end may lie on the next day."""

    days: frozenset[int]
    start_min: int
    end_min: int

    def holds(self, moment: datetime) -> bool:
        minute = moment.hour * 60 + moment.minute
        today, yesterday = moment.weekday(), (moment.weekday() - 1) % 7
        if today in self.days and self.start_min <= minute < self.end_min:
            return True
        return yesterday in self.days and minute + MINUTES_PER_DAY < self.end_min


def parse_active_hours(text: str) -> tuple[HourRange, ...]:
    """The ranges of a text; none for an empty one. Raises ValueError."""
    return tuple(_parse_range(part.strip().lower()) for part in text.split(",") if part.strip())


def is_active(hours: tuple[HourRange, ...], moment: datetime) -> bool:
    """Whether the moment lies in one of the ranges, or there are none."""
    return not hours or any(each.holds(moment) for each in hours)


def _parse_range(text: str) -> HourRange:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"hours are written as 20:00-07:00 or mon-fri 20:00-07:00, several with commas; got {text!r}"
        )
    start_min, end_min = (_minutes(found[hour], found[hour + 1], text) for hour in (3, 5))
    if end_min <= start_min:
        end_min += MINUTES_PER_DAY
    return HourRange(
        days=_parse_days(found["first"], found["last"], text), start_min=start_min, end_min=end_min
    )


def _minutes(hour: str, minute: str, text: str) -> int:
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > MINUTES_PER_DAY:
        raise ValueError(f"times of day are 00:00 to 24:00; got {text!r}")
    return total


def _parse_days(first: str | None, last: str | None, text: str) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    names = (first, last or first)
    if any(name not in DAYS for name in names):
        raise ValueError(f"days are {', '.join(DAYS)}; got {text!r}")
    start, end = (DAYS.index(name) for name in names)
    return frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))
