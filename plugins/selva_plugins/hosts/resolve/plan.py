"""From rendered stems to what the place primitive takes: whole frames of the host, absolute, and file paths.

Take 1 lies on the track of its name. Every other take has a track of its own below it ("Dog take 2") that
starts disabled: Resolve's take selector is for picture, a call to swap the file of an audio item does not
exist, and a disabled track is in sync, visible, auditioned with one click and never sounds unasked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from selva_render.report import RenderedStem, RenderReport

MARKER_COLOUR = "Cream"
MAX_COMMENT_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class PlanFrame:
    """What the numbers of a plan count from, and at which rate: `rate` is the timeline's, `file_rate` what a WAV counts at in
    this project. has_markers: leave a marker where stems were made. replaces: earlier stems of ours give way.
    """

    timeline_id: str
    timeline_name: str
    rate: Fraction
    file_rate: Fraction
    start_frame: int
    has_markers: bool = False
    replaces: bool = False


def build_stems(reports: Sequence[RenderReport], frame: PlanFrame) -> list[dict[str, Any]]:
    """One entry per stem, in record order."""
    return [_build_stem(stem, frame) for report in reports for stem in report.stems]


def build_plan(stems: Iterable[Mapping[str, Any]], frame: PlanFrame) -> dict[str, Any]:
    """The plan for the agent and for the Studio bridge."""
    listed = list(stems)
    return {
        "timeline_id": frame.timeline_id,
        "timeline_name": frame.timeline_name,
        "stems": listed,
        "markers": build_markers(listed, frame) if frame.has_markers else [],
        "replaces": frame.replaces,
    }


def _build_stem(stem: RenderedStem, frame: PlanFrame) -> dict[str, Any]:
    take = stem.result.take
    clip = stem.cue.clip
    built = {
        "id": f"{stem.cue.id}-{take}",
        "file": str(stem.result.file),
        "track": stem.cue.track if take == 1 else f"{stem.cue.track} take {take}",
        "muted": take > 1,
        "take": take,
        "record_frame": frame.start_frame + _nearest_frame(stem.span.start_s, frame.rate),
        "duration_frames": max(1, math.ceil(stem.span.duration_s * frame.rate)),
        "start_frame": _nearest_frame(stem.span.offset_s, frame.file_rate),
        "may_lack_frames": 0 if frame.file_rate >= frame.rate else math.floor(frame.rate / frame.file_rate),
        "fade_in_frames": _nearest_frame(clip.fade_in_s, frame.rate),
        "fade_out_frames": _nearest_frame(clip.fade_out_s, frame.rate),
        "gain_db": stem.cue.gain_db,
        "prompt": stem.cue.prompt,
    }
    built["comment"] = f"Selva: {stem.cue.prompt[:MAX_COMMENT_CHARS]} (take {take}, seed {stem.result.seed})"
    return built


def _nearest_frame(seconds: Fraction, rate: Fraction) -> int:
    """Resolve takes whole frames; picture lies on them, so that this rounds only what a nest has shifted."""
    return math.floor(seconds * rate + Fraction(1, 2))


def build_markers(stems: Sequence[Mapping[str, Any]], frame: PlanFrame) -> list[dict[str, Any]]:
    """One marker per frame that stems begin on, which tells what was made there; Resolve allows one a frame."""
    by_frame: dict[int, list[Mapping[str, Any]]] = {}
    for stem in stems:
        by_frame.setdefault(stem["record_frame"] - frame.start_frame, []).append(stem)
    return [
        {
            "frame": first,
            "color": MARKER_COLOUR,
            "name": "Selva: " + ", ".join(dict.fromkeys(stem["track"] for stem in group)),
            "note": "\n".join(f"{stem['track']}: {stem['prompt']}" for stem in group),
            "duration": max(stem["duration_frames"] for stem in group),
            "custom_data": f"selva:stems:{group[0]['id']}",
        }
        for first, group in sorted(by_frame.items())
    ]


def list_place_notices(report: Mapping[str, Any], stems: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to say about a place report: stems that are not there, and those that lie elsewhere or are
    shorter.
    """
    wanted = {stem["id"]: stem for stem in stems}
    notices = []
    for result in report["stems"]:
        stem = wanted.get(result["id"], {})
        track = stem.get("track", result["id"])
        if result["status"] != "placed":
            notices.append(f"{track}: not placed: {result['reason']}")
            continue
        if result.get("note"):
            notices.append(f"{track}: lies on track '{result['track_name']}' because {result['note']}")
        missing = int(stem.get("duration_frames", 0)) - int(result["duration_frames"])
        if missing > int(stem.get("may_lack_frames", 0)):
            notices.append(f"{track}: Resolve made it {missing} frame(s) shorter")
    if not report.get("saved", True):
        notices.append("Resolve did not save the project; save it yourself")
    return notices
