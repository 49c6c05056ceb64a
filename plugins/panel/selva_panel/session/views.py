"""Parts of the state as JSON-able values, as docs/reference/panel-api.md describes them.

Frames are those of the timeline's clock: its first one is `start_frames` of the cut, 90,000 for 01:00:00:00 at 25.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from selva_core.base.rational import to_pair
from selva_panel.session.records import EvidenceRecord, StemRecord
from selva_panel.timeline.cut import Cut, PanelClip


def describe_cut(cut: Cut) -> dict[str, Any]:
    clock = cut.clock
    return {
        "name": cut.name,
        "source": cut.source,
        "scope": cut.scope,
        "rate": to_pair(clock.frame_rate_hz),
        "drop_frame": clock.drop_frame,
        "start_frames": clock.start_frame,
        "duration_frames": cut.duration_frames,
    }


def describe_clip(clip: PanelClip, cut: Cut) -> dict[str, Any]:
    spotted = clip.spotted
    return {
        "id": clip.id,
        "name": clip.name,
        "track": clip.track,
        "start_frames": cut.clock.start_frame + clip.start_frames,
        "duration_frames": clip.duration_frames,
        "media_id": cut.media_by_clip.get(clip.id),
        "source_start": to_pair(Fraction(0) if spotted is None else spotted.picture_start_s),
        "speed": 1.0 if spotted is None else float(spotted.picture_speed),
        "problem": clip.problem,
        "problem_code": clip.problem_code,
    }


def describe_markers(cut: Cut) -> list[dict[str, Any]]:
    first = cut.clock.start_frame
    return [
        {"frame": first + marker.frame, "name": marker.name, "is_cue": marker.is_cue}
        for marker in cut.markers
    ]


def describe_evidence(seen: EvidenceRecord) -> dict[str, Any]:
    return {
        "row_id": seen.row_id,
        "clip_id": seen.clip_id,
        "presence": seen.presence,
        "acts": seen.acts,
        "seen": seen.seen,
        "rate_hz": seen.rate_hz,
        "presence_curve": seen.presence_curve,
        "x": seen.x,
        "y": seen.y,
        "spread": seen.spread,
    }


def describe_stem(stem: StemRecord, cut: Cut) -> dict[str, Any]:
    return {
        "id": stem.id,
        "row_id": stem.row_id,
        "clip_id": stem.clip_id,
        "take": stem.take,
        "seed": stem.seed,
        "prompt": stem.prompt,
        "file_name": Path(stem.file).name,
        "start_frames": cut.clock.start_frame + stem.start_frames,
        "start_samples": stem.start_sample,
        "offset_samples": stem.offset_samples,
        "length_samples": stem.length_samples,
        "sample_rate_hz": stem.sample_rate_hz,
        "channels": stem.channels,
        "pan": stem.pan,
        "presence": stem.presence,
        "silenced": stem.silenced,
        "choice": stem.choice,
        "active": stem.active,
        "hints": stem.hints,
        "measures": stem.measures,
        "redone_from": stem.redone_from,
    }
