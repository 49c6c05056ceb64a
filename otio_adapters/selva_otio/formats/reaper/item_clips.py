"""Items as clips with their takes as media references, or, where they are empty, as gaps.

The play rate of a take is a linear time warp, negative for a reversed take. The used range counts on the clock of the media file,
also for a take that plays a section of it. What a timeline has no place for is in the metadata, under "REAPER".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import opentimelineio as otio

from selva_otio.formats.reaper.chunks import Chunk
from selva_otio.formats.reaper.items import Item, Take
from selva_otio.formats.reaper.media_files import build_url, file_name_of, is_sound_file
from selva_otio.formats.reaper.metadata import (
    EFFECTS_CHUNK,
    REAPER_NAMESPACE,
    is_metadata_key,
    parse_stem_metadata,
)
from selva_otio.formats.reaper.project_markers import read_take_marker
from selva_otio.formats.reaper.project_time import ProjectClock
from selva_otio.formats.reaper.stem_sound import describe_changes
from selva_otio.formats.reaper.tokens import format_decimal, parse_flags
from selva_otio.metadata import SELVA_NAMESPACE, set_metadata
from selva_otio.picture.media import build_missing_reference

UNRESOLVED_TAKE = "unresolved"
"""The media key that is active when the used range of the active take in its file cannot be known."""


@dataclass(frozen=True, kw_only=True)
class ItemClip:
    """The child of a track that an item becomes, and its record time."""

    child: otio.schema.Clip | otio.schema.Gap
    start_s: Fraction


@dataclass(frozen=True, kw_only=True)
class ItemReader:
    """Builds the clips of one project's items. folder: where relative media paths start."""

    clock: ProjectClock
    folder: Path | None

    def has_picture(self, item: Item) -> bool:
        """Whether the active take of an item shows picture, so that the item belongs on a video track."""
        take = item.active_take
        if item.damage is not None:
            return any(_shows_picture(source) for source in item.chunk.iter_chunks("SOURCE"))
        return (
            take is not None
            and take.source is not None
            and take.source.has_picture
            and not is_sound_file(take.source.file)
        )

    def build_item(self, item: Item) -> ItemClip:
        """The clip of an item, or a gap for an empty one."""
        record = self.clock.record
        metadata = _build_item_metadata(item)
        if item.damage is not None:
            clip = otio.schema.Clip(
                name=item.text("NAME"),
                media_reference=build_missing_reference(item.damage.message),
                source_range=record.time_range(Fraction(0), item.end_s - item.start_s),
            )
            clip.metadata[REAPER_NAMESPACE] = metadata
            return ItemClip(child=clip, start_s=item.start_s)
        if not item.takes:
            gap = otio.schema.Gap(source_range=record.time_range(Fraction(0), item.end_s - item.start_s))
            gap.name = item.notes.partition("\n")[0]
            set_metadata(gap, REAPER_NAMESPACE, metadata)
            return ItemClip(child=gap, start_s=item.start_s)
        take = item.active_take
        start_s = item.start_s if take is None else item.start_s + _silent_lead_s(item, take)
        start_s = max(start_s, Fraction(0))  # what lies before the project's start is not played
        clip = otio.schema.Clip(name=_label(item, take))
        clip.enabled = not parse_flags(item.text("MUTE", 0, "0"))
        set_metadata(clip, REAPER_NAMESPACE, metadata)
        self._set_takes(clip, item)
        self._set_range(clip, item, take, start_s)
        self._set_stem_metadata(clip, item)
        return ItemClip(child=clip, start_s=start_s)

    def _set_takes(self, clip: otio.schema.Clip, item: Item) -> None:
        """Make each take a media reference; the active take is the active reference."""
        active = next((index for index, take in enumerate(item.takes) if take.is_active), 0)
        is_single = len(item.takes) == 1
        keys = [
            otio.schema.Clip.DEFAULT_MEDIA_KEY if is_single else f"take_{number}"
            for number in range(1, len(item.takes) + 1)
        ]
        references = [self._build_reference(take) for take in item.takes]
        if any(map(is_metadata_key, item.extension)):
            _note_effects(references, item.takes)
        clip.set_media_references(dict(zip(keys, references, strict=True)), keys[active])

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
        set_metadata(reference, REAPER_NAMESPACE, _build_take_metadata(take))
        return reference

    def _set_range(self, clip: otio.schema.Clip, item: Item, take: Take | None, start_s: Fraction) -> None:
        """Set the used range of the media, the effects of its speed, and the take markers."""
        record = self.clock.record
        duration_s = item.end_s - start_s
        if take is None or take.source is None:
            clip.source_range = record.time_range(Fraction(0), duration_s)
            return
        first_s = take.offset_s + take.play_rate * (start_s - item.start_s)
        last_s = first_s + take.play_rate * duration_s
        low_s = take.source.to_file_s(last_s if take.source.is_reversed else first_s)
        if low_s is None:
            reference = otio.schema.MissingReference(
                name="reversed, and the length of its media is not known"
            )
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
            origin_s = take.source.to_file_s(Fraction(0)) or Fraction(0)
            clip.markers.extend(read_take_marker(tokens, self.clock, origin_s) for tokens in take.markers)

    def _set_stem_metadata(self, clip: otio.schema.Clip, item: Item) -> None:
        """Set the metadata of a stem. What an editor changed on it in REAPER becomes an effect.

        An effect is what tells all formats alike that a stem is not as it was placed, so that a second render keeps it.
        """
        stem = parse_stem_metadata(item.extension)
        if not stem:
            return
        references = clip.media_references().values()
        urls = {
            file_name_of(unquote(reference.target_url)): str(reference.target_url)
            for reference in references
            if isinstance(reference, otio.schema.ExternalReference)
        }
        set_metadata(clip, SELVA_NAMESPACE, _update_take_urls(stem, urls))
        changes = describe_changes(item, stem)
        if changes:
            clip.effects.append(
                otio.schema.Effect(name=f"changed in REAPER: {', '.join(changes)}", effect_name="ReaperItem")
            )


def _shows_picture(source: Chunk) -> bool:
    """Whether a source, or one in its sections, is a video; for an item of which nothing else can be read."""
    return source.arguments[:1] == ["VIDEO"] or any(map(_shows_picture, source.iter_chunks("SOURCE")))


def _note_effects(references: Sequence[otio.core.MediaReference], takes: Sequence[Take]) -> None:
    """Note the effects of the takes of a stem, so that they go where it goes. Those of other items may be megabytes of plug-in
    state that nothing needs.
    """
    for reference, take in zip(references, takes, strict=True):
        if take.effects_text:
            reference.metadata[REAPER_NAMESPACE][EFFECTS_CHUNK] = take.effects_text


def _silent_lead_s(item: Item, take: Take) -> Fraction:
    """How long an item that starts before its source is silent; a looped one plays the end of the source there."""
    if take.offset_s >= 0 or parse_flags(item.text("LOOP", 0, "0")):
        return Fraction(0)
    return min(-take.offset_s / take.play_rate, item.end_s - item.start_s)


def _label(item: Item, take: Take | None) -> str:
    """The name of the active take, else of its file, else the kind of its source."""
    if take is None or take.source is None:
        return item.text("NAME")
    return take.text("NAME") or file_name_of(take.source.file) or take.source.kind


def _build_item_metadata(item: Item) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "guid": item.text("IGUID"),
        "position": item.text("POSITION", 0, "0"),
        "length": item.text("LENGTH", 0, "0"),
        "loops": bool(parse_flags(item.text("LOOP", 0, "0"))),
        "volume": item.text("VOLPAN", 0, "1"),
        "pan": item.text("VOLPAN", 1, "0"),
        "take_volume": item.text("VOLPAN", 2, "1"),
        "fade_in_s": item.text("FADEIN", 1, "0"),
        "fade_out_s": item.text("FADEOUT", 1, "0"),
    }
    if parse_flags(item.text("GROUP", 0, "0")):
        metadata["group"] = parse_flags(item.text("GROUP"))
    if item.notes:
        metadata["notes"] = item.notes
    return metadata


def _build_take_metadata(take: Take) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "guid": take.text("GUID"),
        "source_offset_s": take.text("SOFFS", 0, "0"),
        "play_rate": take.text("PLAYRATE", 0, "1"),
        "preserves_pitch": bool(parse_flags(take.text("PLAYRATE", 1, "1"))),
        "pitch_semitones": take.text("PLAYRATE", 2, "0"),
        "channel_mode": parse_flags(take.text("CHANMODE", 0, "0")),
        "has_effects": take.has_effects,
    }
    if take.num_stretch_markers:
        metadata["stretch_markers"] = take.num_stretch_markers
    source = take.source
    if source is None:
        return metadata
    metadata |= {"source_type": source.kind, "is_offline": source.is_offline}
    if source.file:
        metadata["file"] = source.file
    else:
        metadata["source_chunk"] = source.chunk.to_text()
    if source.sections:
        metadata["sections"] = [
            {
                "start_s": format_decimal(section.start_s),
                "length_s": format_decimal(section.length_s),
                "mode": section.mode,
            }
            for section in source.sections
        ]
    return metadata


def _update_take_urls(stem: dict[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:
    """The metadata with the URLs that the takes have now: a project may be moved together with its stems.

    urls: by file name.
    """
    takes = stem.get("takes")
    if not isinstance(takes, list):
        return stem

    def update(take: Any) -> Any:
        if not isinstance(take, dict):
            return take
        url = str(take.get("url", ""))
        return {**take, "url": urls.get(file_name_of(unquote(url)), url)}

    return {**stem, "takes": [update(take) for take in takes]}
