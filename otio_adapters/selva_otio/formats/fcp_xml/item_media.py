"""The media of a clip item: its own file, or that of the active angle of a multiclip."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from fractions import Fraction

import opentimelineio as otio

from selva_otio.errors import DamagedItemError
from selva_otio.formats.fcp_xml.document import Document
from selva_otio.formats.fcp_xml.values import (
    child_text,
    describe,
    is_true,
    read_frames,
    read_rate,
    read_timecode,
)


@dataclass(frozen=True, kw_only=True)
class ItemMedia:
    """The media of an item.

    rate: frames per second of the file. start_s: its timecode. duration_s: None where the file does not say it. subclip: how
    much of the file lies before and after the subclip that the item was cut from; `in` and `out` count from its first frame.
    """

    reference: otio.core.MediaReference
    rate: Fraction
    start_s: Fraction = Fraction(0)
    duration_s: Fraction | None = None
    subclip: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))

    @property
    def used_duration_s(self) -> Fraction | None:
        """The length of the subclip, of the whole file where there is none."""
        return None if self.duration_s is None else self.duration_s - sum(self.subclip)


def read_item_media(element: ET.Element, item_rate: Fraction, kind: str, document: Document) -> ItemMedia:
    """The media of an item. kind: "video" or "audio". Raises TimelineReadError."""
    if element.tag == "generatoritem":
        effect = element.find("effect")
        name = child_text(element if effect is None else effect, "name")
        return ItemMedia(reference=otio.schema.GeneratorReference(generator_kind=name), rate=item_rate)
    found = element.find("file")
    if found is None:
        found = _find_angle_file(element, kind, document)
    if found is None:
        return ItemMedia(reference=otio.schema.MissingReference(), rate=item_rate)
    file = document.resolve(found)
    file_rate = read_rate(file) or item_rate
    start, start_rate = read_timecode(file, file_rate)
    num_frames = read_frames(file, "duration")
    return ItemMedia(
        reference=_build_reference(file),
        rate=file_rate,
        start_s=start / start_rate,
        duration_s=num_frames / file_rate if num_frames is not None and num_frames > 0 else None,
        subclip=_read_subclip(element, item_rate),
    )


def _read_subclip(element: ET.Element, item_rate: Fraction) -> tuple[Fraction, Fraction]:
    found = element.find("subclipinfo")
    if found is None:
        return Fraction(0), Fraction(0)
    head, tail = (max(read_frames(found, tag) or 0, 0) for tag in ("startoffset", "endoffset"))
    return head / item_rate, tail / item_rate


def _find_angle_file(element: ET.Element, kind: str, document: Document) -> ET.Element | None:
    """The first file of the active angle. Raises DamagedItemError for one that is shifted: its frame is not known."""
    multiclip = element.find("multiclip")
    if multiclip is None:
        return None
    angles = document.resolve(multiclip).findall("angle")
    flag = f"active{kind}angle"
    active = next((angle for angle in angles if is_true(angle, flag, default=False)), None)
    clip = None if active is None else active.find("clip")
    if active is None or clip is None:
        return None
    offsets = (
        read_frames(owner, "syncoffset") for owner in active.iter() if owner.find("syncoffset") is not None
    )
    if any(offsets):
        raise DamagedItemError(
            f"{describe(element)}: its angle is shifted in the multiclip (syncoffset), which is not read; collapse the multiclip "
            "and export the sequence again"
        )
    return next(document.resolve(clip).iter("file"), None)


def _build_reference(file: ET.Element) -> otio.core.MediaReference:
    url, name = child_text(file, "pathurl"), child_text(file, "name")
    if url:
        reference = otio.schema.ExternalReference(target_url=url)
        reference.name = name
        return reference
    kind = child_text(file, "mediaSource")  # a slug, matte or title: a file without a path
    if kind:
        return otio.schema.GeneratorReference(name=name, generator_kind=kind)
    return otio.schema.MissingReference(name=name)
