"""The clips of an OpenTimelineIO track on the record clock, as REAPER holds them.

REAPER has no nests: their clips are put where they are seen. Transitions become overlaps of two items with fades.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import TimelineWriteError
from selva_otio.formats.reaper.metadata import read_reaper_metadata
from selva_otio.picture.visible_shots import MAX_NESTING
from selva_otio.time.clock import exact_seconds
from selva_otio.time.item_times import item_duration_s, trimmed_start_s


@dataclass(frozen=True, kw_only=True)
class PlacedClip:
    """A clip, or a gap that was an empty item, from `start_s` to `end_s` on the record clock.

    media_start_s: start of the used range on the clock of the media reference; a reversed clip plays that range from its end.
    speed: 0 for a freeze frame, None for a speed that changes.
    """

    child: otio.schema.Clip | otio.schema.Gap
    start_s: Fraction
    end_s: Fraction
    media_start_s: Fraction
    speed: Fraction | None
    fade_in_s: Fraction = Fraction(0)
    fade_out_s: Fraction = Fraction(0)
    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class _Window:
    """The part of a composition that is seen, from `start_s` to `end_s`. local_start_s: its own time at `start_s`."""

    start_s: Fraction
    end_s: Fraction
    local_start_s: Fraction
    enabled: bool
    depth: int

    def record_s(self, local_s: Fraction) -> Fraction:
        return self.start_s + local_s - self.local_start_s


def iter_placed_clips(track: otio.schema.Track) -> Iterator[PlacedClip]:
    """The clips of a track and of the nests on it, in order.

    Raises TimelineReadError for items of unknown length, TimelineWriteError for what REAPER cannot hold.
    """
    window = _Window(
        start_s=Fraction(0),
        end_s=item_duration_s(track),
        local_start_s=trimmed_start_s(track),
        enabled=True,
        depth=0,
    )
    yield from _iter_track(track, window)


def _iter_track(track: otio.schema.Track, window: _Window) -> Iterator[PlacedClip]:
    children = list(track)
    local_s = Fraction(0)
    for index, child in enumerate(children):
        if not isinstance(child, otio.core.Item):
            continue
        duration_s = item_duration_s(child)
        before = children[index - 1] if index else None
        after = children[index + 1] if index + 1 < len(children) else None
        lead_s, fade_in_s = _reach(before, is_before=True)
        tail_s, fade_out_s = _reach(after, is_before=False)
        start_s = window.record_s(local_s) - lead_s
        end_s = window.record_s(local_s + duration_s) + tail_s
        seen_start_s, seen_end_s = max(start_s, window.start_s), min(end_s, window.end_s)
        if seen_start_s < seen_end_s or (start_s == end_s and start_s < window.end_s):
            seen = _Window(
                start_s=seen_start_s,
                end_s=seen_end_s,
                local_start_s=seen_start_s - start_s - lead_s,
                enabled=window.enabled and bool(child.enabled),
                depth=window.depth + 1,
            )
            yield from _iter_item(child, seen, duration_s, fade_in_s, fade_out_s)
        local_s += duration_s


def _iter_item(
    child: otio.core.Item, seen: _Window, duration_s: Fraction, fade_in_s: Fraction, fade_out_s: Fraction
) -> Iterator[PlacedClip]:
    """seen.local_start_s: counts from the in-point of the child."""
    if isinstance(child, otio.core.Composition):
        yield from _iter_nest(child, seen)
        return
    if isinstance(child, otio.schema.Gap) and not read_reaper_metadata(child):
        return
    speed = _read_speed(child)
    used_s = abs(speed) if speed else Fraction(0)
    offset_s = seen.local_start_s
    if speed is not None and speed < 0:  # the used range of a reversed clip starts where the clip ends
        offset_s = duration_s - offset_s - (seen.end_s - seen.start_s)
    yield PlacedClip(
        child=child,
        start_s=seen.start_s,
        end_s=seen.end_s,
        media_start_s=trimmed_start_s(child) + used_s * offset_s,
        speed=speed,
        fade_in_s=fade_in_s,
        fade_out_s=fade_out_s,
        enabled=seen.enabled,
    )


def _iter_nest(nest: otio.core.Composition, seen: _Window) -> Iterator[PlacedClip]:
    if seen.depth > MAX_NESTING:
        raise TimelineWriteError(f"{nest.name!r} is nested more than {MAX_NESTING} levels deep")
    if nest.effects:
        raise TimelineWriteError(
            f"nest {nest.name!r} has effects, which cannot be put on its items in REAPER; flatten it first"
        )
    local_start_s = trimmed_start_s(nest) + seen.local_start_s
    layers = [nest] if isinstance(nest, otio.schema.Track) else list(nest)
    for layer in layers:
        window = _Window(
            start_s=seen.start_s,
            end_s=seen.end_s,
            local_start_s=local_start_s,
            enabled=seen.enabled and bool(layer.enabled),
            depth=seen.depth,
        )
        if isinstance(layer, otio.schema.Track):
            yield from _iter_track(layer, window)
        else:
            shell = otio.schema.Track()
            shell.append(layer.clone())
            yield from _iter_track(shell, window)


def _reach(neighbour: otio.core.Composable | None, *, is_before: bool) -> tuple[Fraction, Fraction]:
    """(how far the transition beside an item extends it beyond its cut, the length of the fade there)."""
    if not isinstance(neighbour, otio.schema.Transition):
        return Fraction(0), Fraction(0)
    in_s, out_s = exact_seconds(neighbour.in_offset), exact_seconds(neighbour.out_offset)
    return (in_s if is_before else out_s), in_s + out_s


def _read_speed(item: otio.core.Item) -> Fraction | None:
    """The product of the time warps of an item, at any speed; None for a speed that changes."""
    speed = Fraction(1)
    for effect in item.effects:
        if isinstance(effect, otio.schema.LinearTimeWarp):
            speed *= Fraction(float(effect.time_scalar)).limit_denominator(100_000)
        elif isinstance(effect, otio.schema.TimeEffect):
            return None
    return speed
