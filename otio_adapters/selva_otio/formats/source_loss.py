"""What a reader left behind in its file, counted in the file itself, and said when the timeline goes into another.

`feature_loss` counts what a timeline has and a format cannot hold. What the reader has no place for, captions for one, never got
into the timeline, and would be lost silently.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping

import opentimelineio as otio

SOURCE_NAMESPACE = "selva_source"
"""Of what is noted here in a timeline's metadata; it is never written into a file."""
_LEFT_OUT = "they are left out"
_XML_FEATURES: Mapping[str, Mapping[str, str]] = {
    "Final Cut Pro XML": {
        "caption": "captions",
        "title": "texts of titles",
        "filter-video": "filters",
        "filter-video-mask": "filters",
        "filter-audio": "filters",
        "adjust-volume": "volumes and pans",
        "adjust-panner": "volumes and pans",
        "adjust-transform": "picture adjustments",
        "adjust-crop": "picture adjustments",
        "adjust-blend": "picture adjustments",
        "adjust-corners": "picture adjustments",
        "adjust-stabilization": "picture adjustments",
        "adjust-EQ": "sound adjustments",
        "adjust-matchEQ": "sound adjustments",
        "adjust-loudness": "sound adjustments",
        "adjust-noiseReduction": "sound adjustments",
        "adjust-humReduction": "sound adjustments",
        "adjust-voiceIsolation": "sound adjustments",
        "fadeIn": "fades",
        "fadeOut": "fades",
        "keyword": "keywords and ratings",
        "rating": "keywords and ratings",
        "note": "notes",
        "metadata": "metadata",
    },
    "Final Cut Pro 7 XML": {
        "generatoritem": "settings of titles and generators",
        "keyframe": "keyframes",
        "compositemode": "composite modes",
    },
}
_ADJUSTMENTS = {"adjust-": "picture adjustments"}
"""Each version of FCPXML has more of them than the one before."""
_DEFAULTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "adjust-conform": ("type", ("fit", "")),
    "adjust-colorConform": ("conformType", ("conformNone", "")),
}
"""Adjustments that every clip has, with the attribute and the values that change nothing."""
_REAPER_FEATURES = {
    "plug-ins": re.compile(r"^\s*<(?:VST|AU|JS|DX|LV2|CLAP|VIDEO_EFFECT)\b", re.MULTILINE),
    "envelopes": re.compile(r"^\s*<(?!TEMPO)[A-Z]{2,20}ENV[A-Z0-9]{0,8}\b", re.MULTILINE),
    "sends": re.compile(r"^\s*AUXRECV\b", re.MULTILINE),
}
_ORDINARY_TEXT = frozenset(["", "normal"])


def note_left_out(
    timeline: otio.schema.Timeline, format_name: str, counts: Mapping[str, int], consequence: str = _LEFT_OUT
) -> None:
    """Note how often the file of a timeline has features that the timeline itself does not.

    consequence: what becomes of them, as the second half of a sentence.
    """
    noted = [
        {
            "feature": f"{feature} of the {format_name} that was read",
            "consequence": consequence,
            "count": number,
        }
        for feature, number in counts.items()
        if number
    ]
    earlier = timeline.metadata.get(SOURCE_NAMESPACE) or []
    if noted:
        timeline.metadata[SOURCE_NAMESPACE] = [*earlier, *noted]


def describe_left_out(timeline: otio.schema.Timeline) -> tuple[str, ...]:
    """A sentence for each feature that was left out when a timeline was read."""
    return tuple(
        f"{noted['feature']}: {noted['consequence']} ({noted['count']})"
        for noted in timeline.metadata.get(SOURCE_NAMESPACE) or []
    )


def drop_left_out(timeline: otio.schema.Timeline) -> None:
    """Remove the note, in place: it says something about one file, not about the timeline."""
    if SOURCE_NAMESPACE in timeline.metadata:
        del timeline.metadata[SOURCE_NAMESPACE]


def count_xml_features(
    elements: Iterable[ET.Element], format_name: str, *, is_counted: Callable[[ET.Element], bool]
) -> dict[str, int]:
    """How often elements stand for features that the format's reader has no place for."""
    names = _XML_FEATURES[format_name]
    counts: dict[str, int] = {}
    for element in elements:
        feature = names.get(element.tag) or _ADJUSTMENTS.get(str(element.tag)[: len("adjust-")])
        if feature is not None and is_counted(element):
            counts[feature] = counts.get(feature, 0) + 1
    return counts


def is_set(element: ET.Element) -> bool:
    """Whether an element changes anything: a volume of 0 dB and the composite mode "normal" do not."""
    if element.tag == "adjust-volume":
        return len(element) > 0 or element.get("amount", "0dB").strip() not in ("0dB", "0", "0.0dB")
    if element.tag in _DEFAULTS:
        attribute, values = _DEFAULTS[element.tag]
        return element.get(attribute, "") not in values
    if element.tag == "compositemode":
        return (element.text or "").strip().lower() not in _ORDINARY_TEXT
    return True


def count_reaper_features(text: str) -> dict[str, int]:
    """How often a REAPER project has features that its reader has no place for."""
    return {feature: len(pattern.findall(text)) for feature, pattern in _REAPER_FEATURES.items()}
