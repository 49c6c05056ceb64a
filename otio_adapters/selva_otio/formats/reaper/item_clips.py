"""From an item to what stands for it on a timeline: a clip with its takes as media references, or a gap.

A take's play rate is a linear time warp, negative for reversed takes; the used range is that of the media file, also
behind sections. What a timeline has no words for stays in the metadata, under "REAPER".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio

from selva_otio.formats.reaper.extension_data import read_facts
from selva_otio.formats.reaper.items import Item, Take
from selva_otio.formats.reaper.media_files import build_url, file_name, is_sound_file
from selva_otio.formats.reaper.project_markers import NAMESPACE, read_take_marker
from selva_otio.formats.reaper.project_time import ProjectClock
from selva_otio.formats.reaper.stem_sound import describe_changes
from selva_otio.formats.reaper.tokens import format_decimal, parse_flags
from selva_otio.metadata import SELVA_NAMESPACE

UNRESOLVED_TAKE = "unresolved"
"""The key of the stand-in for a take whose place in its media cannot be known."""


@dataclass(frozen=True, kw_only=True)
class ItemClip:
    """Something to put on a track, and the record time at which it starts."""

    child: otio.schema.Clip | otio.schema.Gap
    start_s: Fraction


@dataclass(frozen=True, kw_only=True)
class ItemReader:
    """Reads the items of one project. `folder`: where relative media paths start."""

    clock: ProjectClock
    folder: Path | None

    def has_picture(self, item: Item) -> bool:
        """Whether an item belongs on a video track: its active take plays a video file's picture."""
        take = item.active_take
        return (
            take is not None
            and take.source is not None
            and take.source.has_picture
            and not is_sound_file(take.source.file)
        )

    def build_pieces(self, item: Item) -> Iterator[ItemClip]:
        """The clip of an item, or a gap for an empty one."""
        record = self.clock.record
        facts = _describe_item(item)
        if not item.takes:
            gap = otio.schema.Gap(source_range=record.time_range(Fraction(0), item.end_s - item.start_s))
            gap.name = item.notes.partition("\n")[0]
            gap.metadata[NAMESPACE] = facts
            yield ItemClip(child=gap, start_s=item.start_s)
            return
        take = item.active_take
        start_s = item.start_s if take is None else item.start_s + _silent_lead_s(item, take)
        clip = otio.schema.Clip(name=_label(item, take))
        clip.enabled = not parse_flags(item.text("MUTE", 0, "0"))
        clip.metadata[NAMESPACE] = facts
        self._set_takes(clip, item)
        self._set_range(clip, item, take, start_s)
        self._set_stem_facts(clip, item)
        yield ItemClip(child=clip, start_s=start_s)

    def _set_takes(self, clip: otio.schema.Clip, item: Item) -> None:
        """Each take a media reference, the active one active."""
        marked = next((index for index, take in enumerate(item.takes) if take.is_active), 0)
        is_single = len(item.takes) == 1
        keys = [
            otio.schema.Clip.DEFAULT_MEDIA_KEY if is_single else f"take_{number}"
            for number in range(1, len(item.takes) + 1)
        ]
        references = [self._build_reference(take) for take in item.takes]
        clip.set_media_references(dict(zip(keys, references, strict=True)), keys[marked])

    def _build_reference(self, take: Take) -> otio.core.MediaReference:
        source = take.source
        reference: otio.core.MediaReference
        if source is None or source.kind == "EMPTY":
            reference = otio.schema.MissingReference(name="empty take")
        elif source.file:
            reference = otio.schema.ExternalReference(target_url=build_url(source.file, self.folder))
        else:
            reference = otio.schema.GeneratorReference(generator_kind=source.kind)
        reference.name = take.text("NAME") or reference.name
        reference.metadata[NAMESPACE] = _describe_take(take)
        return reference

    def _set_range(self, clip: otio.schema.Clip, item: Item, take: Take | None, start_s: Fraction) -> None:
        """The used range of the media, and the speed at which it is played."""
        record = self.clock.record
        duration_s = item.end_s - start_s
        if take is None or take.source is None:
            clip.source_range = record.time_range(Fraction(0), duration_s)
            return
        first_s = take.offset_s + take.play_rate * (start_s - item.start_s)
        last_s = first_s + take.play_rate * duration_s
        low_s = take.source.locate(last_s if take.source.is_reversed else first_s)
        if low_s is None:
            reference = otio.schema.MissingReference(name="reversed, and the length of its media is not told")
            clip.set_media_references(
                {UNRESOLVED_TAKE: reference, **clip.media_references()}, UNRESOLVED_TAKE
            )
        clip.source_range = record.time_range(self.clock.snap("", low_s or Fraction(0)), duration_s)
        speed = -take.play_rate if take.source.is_reversed else take.play_rate
        if take.num_stretch_markers:
            clip.effects.append(otio.schema.TimeEffect(name="stretch markers", effect_name="StretchMarkers"))
        if speed != 1:
            clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=float(speed)))
        if low_s is not None and not take.source.is_reversed:
            origin_s = take.source.locate(Fraction(0)) or Fraction(0)
            clip.markers.extend(read_take_marker(words, self.clock, origin_s) for words in take.markers)

    def _set_stem_facts(self, clip: otio.schema.Clip, item: Item) -> None:
        """What we wrote about a stem of ours; and, as an effect, what has been changed on it in REAPER."""
        facts = read_facts(item.extension)
        if not facts:
            return
        references = clip.media_references().values()
        urls = {
            file_name(unquote(reference.target_url)): str(reference.target_url)
            for reference in references
            if isinstance(reference, otio.schema.ExternalReference)
        }
        clip.metadata[SELVA_NAMESPACE] = _follow_moved_files(facts, urls)
        changes = describe_changes(item, facts)
        if changes:
            clip.effects.append(
                otio.schema.Effect(name=f"changed in REAPER: {', '.join(changes)}", effect_name="ReaperItem")
            )


def _silent_lead_s(item: Item, take: Take) -> Fraction:
    """How long an item that starts before its source plays nothing; a looped one plays the source's end there."""
    if take.offset_s >= 0 or parse_flags(item.text("LOOP", 0, "0")):
        return Fraction(0)
    return min(-take.offset_s / take.play_rate, item.end_s - item.start_s)


def _label(item: Item, take: Take | None) -> str:
    """The name of the active take, else of its file, else of the kind of its source."""
    if take is None or take.source is None:
        return item.text("NAME")
    return take.text("NAME") or file_name(take.source.file) or take.source.kind


def _describe_item(item: Item) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "guid": item.text("IGUID"),
        "position": item.text("POSITION", 0, "0"),
        "length": item.text("LENGTH", 0, "0"),
        "loops": bool(parse_flags(item.text("LOOP", 0, "0"))),
        "volume": item.text("VOLPAN", 0, "1"),
        "fade_in_s": item.text("FADEIN", 1, "0"),
        "fade_out_s": item.text("FADEOUT", 1, "0"),
    }
    if parse_flags(item.text("GROUP", 0, "0")):
        facts["group"] = parse_flags(item.text("GROUP"))
    if item.notes:
        facts["notes"] = item.notes
    return facts


def _describe_take(take: Take) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "guid": take.text("GUID"),
        "source_offset_s": take.text("SOFFS", 0, "0"),
        "play_rate": take.text("PLAYRATE", 0, "1"),
        "preserves_pitch": bool(parse_flags(take.text("PLAYRATE", 1, "1"))),
        "pitch_semitones": take.text("PLAYRATE", 2, "0"),
        "channel_mode": parse_flags(take.text("CHANMODE", 0, "0")),
        "has_effects": take.has_effects,
    }
    if take.num_stretch_markers:
        facts["stretch_markers"] = take.num_stretch_markers
    source = take.source
    if source is None:
        return facts
    facts |= {"source_type": source.kind, "is_offline": source.is_offline}
    if source.file:
        facts["file"] = source.file
    else:
        facts["source_chunk"] = source.chunk.to_text()
    if source.sections:
        facts["sections"] = [
            {
                "start_s": format_decimal(section.start_s),
                "length_s": format_decimal(section.length_s),
                "mode": section.mode,
            }
            for section in source.sections
        ]
    return facts


def _follow_moved_files(facts: dict[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """Stem facts with the URLs that the files have now: a project may be moved together with its stems."""
    takes = facts.get("takes")
    if not isinstance(takes, list):
        return facts

    def follow(take: Any) -> Any:
        if not isinstance(take, dict):
            return take
        url = str(take.get("url", ""))
        return {**take, "url": urls.get(file_name(unquote(url)), url)}

    return {**facts, "takes": [follow(take) for take in takes]}
