"""A shot as conform compares it: a linear piece of one medium on the record clock, without OpenTimelineIO."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class CutShot:
    """A visible shot. At record time t it shows `media` at `media_start_s + speed * (t - record_start_s)`.

    number: its place in its cut, in record order. media: the same text for the same medium in both cuts. source_label: the
    timecode that its range begins at, for people.
    """

    number: int
    name: str
    media: str
    media_start_s: Fraction
    speed: Fraction
    record_start_s: Fraction
    record_end_s: Fraction
    video_track: str = ""
    source_label: str = ""

    @property
    def duration_s(self) -> Fraction:
        return self.record_end_s - self.record_start_s

    @property
    def media_range(self) -> tuple[Fraction, Fraction]:
        """The media seconds that are seen, the lower one first; equal for a freeze frame."""
        end_s = self.media_start_s + self.speed * self.duration_s
        return min(self.media_start_s, end_s), max(self.media_start_s, end_s)

    @property
    def picture(self) -> tuple[str, Fraction, Fraction, Fraction]:
        """What is seen, wherever it lies: equal for two shots that show the same frames."""
        return self.media, self.media_start_s, self.speed, self.duration_s

    def shift_to(self, other: CutShot) -> Fraction | None:
        """How much later on the record clock `other` shows the picture of this shot; None where no shift brings one on the
        other: another medium, another speed, another frame that is frozen.
        """
        if self.media != other.media or self.speed != other.speed:
            return None
        start_s = other.record_start_s - self.record_start_s
        if not self.speed:
            return start_s if self.media_start_s == other.media_start_s else None
        return start_s + (self.media_start_s - other.media_start_s) / self.speed
