"""Assets as media references, and the clips that show them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction

import opentimelineio as otio

from selva_otio.formats.fcpxml.clip_attributes import read_stem_metadata, read_volume_change
from selva_otio.formats.fcpxml.element_times import read_time
from selva_otio.metadata import SELVA_NAMESPACE, set_metadata
from selva_otio.time.clock import TimelineClock


def find_shown_media(element: ET.Element, asset: ET.Element | None) -> tuple[bool, bool]:
    """Whether a clip shows the picture of its asset, and whether its sound is heard.

    A missing asset is taken to have what the element's tag says.
    """
    enabled = {"audio": "audio", "video": "video"}.get(element.tag, element.get("srcEnable", "all"))
    if asset is not None and asset.tag == "asset":
        has_picture, has_sound = asset.get("hasVideo") == "1", asset.get("hasAudio") == "1"
    else:
        has_picture, has_sound = element.tag != "audio", element.tag == "audio"
    return has_picture and enabled in ("all", "video"), has_sound and enabled in ("all", "audio")


def build_asset_clip(element: ET.Element, asset: ET.Element | None, clock: TimelineClock) -> otio.schema.Clip:
    """A clip of an asset, without its range. clock: the rate at which the range of the media is written."""
    clip = otio.schema.Clip(name=element.get("name", ""), media_reference=build_asset_reference(asset, clock))
    stem = read_stem_metadata(element)
    if stem:
        set_metadata(clip, SELVA_NAMESPACE, stem)
        change = read_volume_change(element, stem)
        if change is not None:
            clip.effects.append(change)
    return clip


def build_asset_reference(asset: ET.Element | None, clock: TimelineClock) -> otio.core.MediaReference:
    """A reference to the file of an asset; a missing one without asset or file."""
    url = _find_source_url(asset) if asset is not None else ""
    if asset is None or not url:
        return otio.schema.MissingReference()
    start_s, duration_s = read_time(asset, "start") or Fraction(0), read_time(asset, "duration")
    reference = otio.schema.ExternalReference(target_url=url)
    reference.name = asset.get("name", "")
    if duration_s is not None and duration_s > 0:
        reference.available_range = clock.time_range(start_s, duration_s)
    return reference


def set_audition_takes(clip: otio.schema.Clip, assets: list[ET.Element | None], clock: TimelineClock) -> None:
    """Make the clips of an audition the takes of its first, which is the active one.

    Take numbers come from the stem's metadata; without it they are 1, 2, 3 with the active take first.
    """
    stem = clip.metadata.get(SELVA_NAMESPACE) or {}
    active = stem.get("active_take")
    numbers = [active, *(take.get("take") for take in stem.get("takes", ()) if take.get("take") != active)]
    if len(numbers) != len(assets):
        numbers = list(range(1, len(assets) + 1))
    references = {
        f"take_{number}": build_asset_reference(asset, clock)
        for number, asset in zip(numbers, assets, strict=True)
    }
    clip.set_media_references(references, f"take_{numbers[0]}")


def _find_source_url(asset: ET.Element) -> str:
    """The original media of an asset. Before FCPXML 1.9 it was an attribute of the asset, since then a media-rep in it."""
    media = [(rep.get("kind", "original-media"), rep.get("src", "")) for rep in asset.findall("media-rep")]
    media.sort(key=lambda rep: rep[0] != "original-media")  # a proxy may come first
    return media[0][1] if media else asset.get("src", "")
