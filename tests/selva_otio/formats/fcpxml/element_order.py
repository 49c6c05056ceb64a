"""What Final Cut Pro demands of an FCPXML file: the order of children and the attributes, as regular expressions over
tag names. Covers the elements we write, and no more."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

_ANCHORED = "(?:asset-clip|video|audition) "
CHILDREN = {
    "fcpxml": "resources library ",
    "resources": "(?:(?:format|asset) )*",
    "format": "",
    "asset": "(?:media-rep )+(?:metadata )?",
    "media-rep": "",
    "library": "(?:event )*",
    "event": "(?:project )*",
    "project": "sequence ",
    "sequence": "(?:note )?spine (?:metadata )?",
    "spine": "(?:(?:asset-clip|video|audition|gap|transition) )*",
    "gap": f"(?:note )?(?:{_ANCHORED})*(?:marker )*(?:metadata )?",
    "asset-clip": "(?:note )?(?:conform-rate )?(?:timeMap )?(?:adjust-volume )?(?:adjust-panner )?"
    f"(?:{_ANCHORED})*(?:marker )*(?:metadata )?",
    "video": f"(?:note )?(?:conform-rate )?(?:timeMap )?(?:{_ANCHORED})*(?:marker )*",
    "audition": "(?:(?:asset-clip|video) )+",
    "transition": "",
    "timeMap": "(?:timept )*",
    "timept": "",
    "adjust-volume": "",
    "adjust-panner": "(?:param )*",
    "param": "(?:keyframeAnimation )?(?:param )*",
    "keyframeAnimation": "(?:keyframe )*",
    "keyframe": "",
    "marker": "",
    "note": "",
    "metadata": "(?:md )*",
    "md": "",
}
_PLACE = {"lane", "offset"}
_CLIP = {*_PLACE, "ref", "name", "start", "duration", "enabled"}
ATTRIBUTES = {
    "fcpxml": {"version"},
    "format": {"id", "name", "frameDuration", "width", "height"},
    "asset": {
        *("id", "name", "start", "duration", "hasVideo", "format", "hasAudio"),
        *("audioSources", "audioChannels", "audioRate"),
    },
    "media-rep": {"kind", "src"},
    "event": {"name"},
    "project": {"name"},
    "sequence": {"format", "duration", "tcStart", "tcFormat", "audioLayout", "audioRate"},
    "gap": {"name", "offset", "start", "duration"},
    "asset-clip": {*_CLIP, "format", "srcEnable", "audioRole"},
    "video": _CLIP,
    "audition": _PLACE,
    "transition": {"name", "offset", "duration"},
    "timept": {"time", "value", "interp"},
    "adjust-volume": {"amount"},
    "adjust-panner": {"mode", "amount"},
    "param": {"name", "value"},
    "keyframe": {"time", "value", "curve", "interp"},
    "marker": {"start", "duration", "value", "note"},
    "md": {"key", "value"},
}
NEEDED = {
    "media-rep": {"src"},
    "asset": {"id"},
    "format": {"id"},
    "sequence": {"format"},
    "asset-clip": {"ref"},
    "video": {"ref", "duration"},
    "gap": {"duration"},
    "transition": {"duration"},
    "timept": {"time", "value"},
    "marker": {"start", "value"},
    "md": {"key"},
    "param": {"name"},
    "keyframe": {"time", "value"},
}
_TIMES = {"start", "duration", "offset", "tcStart", "frameDuration", "time"}
_TIME = re.compile(r"-?\d{1,19}(/\d{1,10})?s")


def iter_faults(root: ET.Element) -> Iterator[str]:
    """What Final Cut Pro would refuse the file for."""
    ids = [element.get("id") for element in root.iter() if "id" in element.attrib]
    if len(ids) != len(set(ids)):
        yield "an id is there twice"
    for element in root.iter():
        order = "".join(f"{child.tag} " for child in element)
        if element.tag not in CHILDREN or not re.fullmatch(CHILDREN[element.tag], order):
            yield f"{element.tag} holds {order or 'nothing'}"
        names = set(element.attrib)
        if unknown := names - ATTRIBUTES.get(element.tag, set()):
            yield f"{element.tag} has {sorted(unknown)}"
        if missing := NEEDED.get(element.tag, set()) - names:
            yield f"{element.tag} lacks {sorted(missing)}"
        for name in names & _TIMES:
            if not _TIME.fullmatch(element.attrib[name]):
                yield f"{element.tag}: {name} is {element.attrib[name]!r}"
        for name in names & {"ref", "format"}:
            if element.attrib[name] not in ids:
                yield f"{element.tag}: {name} leads nowhere"


TAIL_ORDER = ("marker", "keyword", "audio-channel-source", "filter-video", "filter-audio", "metadata")
"""What stands behind the connected clips of an asset clip, in this order."""


def iter_dangling_refs(root: ET.Element) -> Iterator[str]:
    """References of a document that lead nowhere, and ids that it has twice."""
    ids = [element.get("id") for element in root.iter() if "id" in element.attrib]
    yield from {str(found) for found in ids if ids.count(found) > 1}
    yield from (ref for element in root.iter() if (ref := element.get("ref")) is not None and ref not in ids)
