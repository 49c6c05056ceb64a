"""From the results of the daemon's jobs to the stems and the evidence of a session."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from selva_core.base.evidence import SEEN
from selva_daemon.protocol.status import StemResult
from selva_panel.jobs.measures import load_evidence
from selva_panel.session.records import CueInJob, EvidenceRecord, JobRecord, SessionRecord, StemRecord

_ID_CHARS = 12
_HINT_KINDS = (
    ("silence", re.compile(r"nothing in this clip looks like|\bsilent\b", re.IGNORECASE)),
    ("clipping", re.compile(r"\bclip(?:s|ped|ping)\b", re.IGNORECASE)),
    ("faint", re.compile(r"only from .* s\b|was not trained for", re.IGNORECASE)),
)


def add_stems(record: SessionRecord, job: JobRecord, results: Sequence[StemResult]) -> None:
    """Put what a job has made into the session: a take replaces the earlier one of its number, and keeps its choice where it
    is the same sound.
    """
    for result in results:
        cue = job.cues.get(result.cue)
        if cue is None or not result.file:
            continue
        made = _stem_of(job, cue, result)
        cell = (made.row_id, made.clip_id)
        others = [stem for stem in record.stems if (stem.row_id, stem.clip_id) == cell]
        earlier = next((stem for stem in others if stem.take == made.take), None)
        if earlier is not None and earlier.redone_from is not None and made.redone_from is None:
            # More takes are rendered now than when a stretch was made anew: that one moves behind them, and is not lost.
            earlier.take = max(stem.take for stem in others) + 1
        elif earlier is not None:
            made.active = earlier.active
            if earlier.id == made.id:
                made.choice = earlier.choice
            record.stems.remove(earlier)
        elif not any(stem.active for stem in others):
            made.active = True
        record.stems.append(made)
        _add_evidence_of_stem(record, made)


def add_sights(record: SessionRecord, job: JobRecord, results: Sequence[StemResult]) -> None:
    """Put what a job has seen into the session, in place of what was known of the same row and clip."""
    for result in results:
        cue = job.cues.get(result.cue)
        if cue is None or result.presence is None:
            continue
        sight = result.sight
        threshold = None if sight is None else sight.threshold
        _put_evidence(
            record,
            EvidenceRecord(
                row_id=cue.row_id,
                clip_id=cue.clip_id,
                prompt=cue.prompt,
                presence=result.presence,
                acts=threshold is not None,
                seen=result.presence >= (SEEN if threshold is None else threshold),
                rate_hz=0.0 if sight is None else sight.rate_hz,
                presence_curve=[] if sight is None else list(sight.presence),
                x=[] if sight is None else list(sight.x),
                y=[] if sight is None else list(sight.y),
                spread=[] if sight is None else list(sight.spread),
            ),
        )


def _stem_of(job: JobRecord, cue: CueInJob, result: StemResult) -> StemRecord:
    identity = "\n".join((cue.row_id, cue.clip_id, str(result.take), result.file))
    return StemRecord(
        id=hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:_ID_CHARS],
        row_id=cue.row_id,
        clip_id=cue.clip_id,
        cue=result.cue,
        take=result.take,
        seed=result.seed,
        file=result.file,
        prompt=cue.prompt,
        negative=cue.negative,
        model=job.model,
        start_frames=cue.start_frames,
        start_sample=cue.start_sample,
        offset_samples=cue.offset_samples,
        length_samples=cue.length_samples,
        sample_rate_hz=result.sample_rate_hz,
        num_samples=result.num_samples,
        num_steps=job.num_steps,
        guidance=job.guidance,
        channels=result.num_channels,
        pan=list(result.pan),
        pan_mode=job.pan_mode,
        presence=result.presence,
        evidence=result.evidence,
        silenced=result.silenced,
        warnings=result.warnings,
        hints=list(_iter_hints(result)),
        redone_from=job.redone_from,
    )


def _iter_hints(result: StemResult) -> Iterator[dict[str, Any]]:
    """The warnings of a stem, each with the kind that the page explains."""
    for warning in result.warnings:
        kind = next((kind for kind, pattern in _HINT_KINDS if pattern.search(warning)), "note")
        yield {"kind": kind, "text": warning, "seconds": []}


def _add_evidence_of_stem(record: SessionRecord, stem: StemRecord) -> None:
    """A stem that was rendered before anybody looked has its evidence in a file beside it."""
    known = any(
        (seen.row_id, seen.clip_id, seen.prompt) == (stem.row_id, stem.clip_id, stem.prompt)
        for seen in record.evidence
    )
    evidence = None if known else load_evidence(stem.evidence)
    if evidence is None:
        return
    _put_evidence(
        record,
        EvidenceRecord(
            row_id=stem.row_id,
            clip_id=stem.clip_id,
            prompt=stem.prompt,
            presence=evidence.whole,
            acts=evidence.threshold is not None,
            seen=evidence.whole >= (SEEN if evidence.threshold is None else evidence.threshold),
            rate_hz=float(evidence.rate_hz),
            presence_curve=list(evidence.presence),
            x=list(evidence.x),
            y=list(evidence.y),
            spread=list(evidence.spread),
        ),
    )


def _put_evidence(record: SessionRecord, evidence: EvidenceRecord) -> None:
    cell = (evidence.row_id, evidence.clip_id)
    record.evidence = [seen for seen in record.evidence if (seen.row_id, seen.clip_id) != cell]
    record.evidence.append(evidence)
