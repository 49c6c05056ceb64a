"""What a model saw of a stem's prompt, for people: the JSON file beside the stem, and a warning where it saw nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.errors import OutputError
from selva_core.base.evidence import EVIDENCE_SUFFIX
from selva_core.base.pan import Panning
from selva_core.base.render_options import OFF
from selva_core.engine import Evidence
from selva_daemon.protocol.job import JobRequest
from selva_daemon.protocol.status import Sight
from selva_daemon.worker.model_info import ModelInfo
from selva_daemon.worker.planned_stems import PlannedStem

MIN_UNSEEN_S = 1.0
MAX_NAMED_SPANS = 4
MAX_SIGHT_STEPS = 1000
_CONSEQUENCES = {
    True: "; the stem is silent (with --absent keep it sounds as the model makes it)",
    False: "; the stem sounds as the model makes it",
    None: "",
}


@dataclass(frozen=True, kw_only=True)
class StagedStem:
    """A stem in the hidden folder of its job. evidence_path: of a file that is there where there is evidence."""

    stem: PlannedStem
    path: Path
    evidence_path: Path
    evidence: Evidence | None
    is_silenced: bool
    panning: Panning
    warnings: tuple[str, ...]

    def pairs(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """Staged and wanted path of the stem's files, that of the sound first."""
        target = self.stem.file_in(folder, is_silenced=self.is_silenced)
        yield self.path, target
        if self.evidence is not None:
            yield self.evidence_path, target.with_suffix(EVIDENCE_SUFFIX)


def write_evidence(path: Path, evidence: Evidence, *, stem: PlannedStem, model: ModelInfo) -> None:
    """Write the file beside a stem. Nothing in it differs between two runs of the same job. Raises OutputError."""
    content = {
        "schema": "selva.evidence/1",
        "model": model.model_id,
        "track": stem.cue.track,
        "prompt": stem.cue.prompt,
        **evidence.to_json(),
    }
    try:
        path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror or exc}", path=str(path)) from exc


def build_sight(evidence: Evidence | None) -> Sight | None:
    """The curves for a reply, which has no file. Of a long clip a step stands for several, with the best of their presences."""
    if evidence is None:
        return None
    stride = -(-len(evidence.presence) // MAX_SIGHT_STEPS)
    firsts = range(0, len(evidence.presence), stride)

    def mean(curve: Sequence[float]) -> tuple[float, ...]:
        return tuple(round(sum(part) / len(part), 4) for part in (curve[k : k + stride] for k in firsts))

    return Sight(
        rate_hz=float(evidence.rate_hz) / stride,
        threshold=evidence.threshold,
        presence=tuple(round(max(evidence.presence[k : k + stride]), 4) for k in firsts),
        x=mean(evidence.x),
        y=mean(evidence.y),
        spread=mean(evidence.spread),
    )


def evidence_warnings(evidence: Evidence | None, prompt: str, *, is_silenced: bool | None) -> Iterator[str]:
    """Sentences on what was not seen, none where the presence is only a hint. Seconds are those of the stem's file.

    is_silenced: of the stem; None where none was made.
    """
    if evidence is None or evidence.threshold is None:
        return
    name = " ".join(prompt.split())
    spans_s = evidence.seen_spans_s
    if evidence.is_absent:
        yield f"nothing in this clip looks like {name!r}{_CONSEQUENCES[is_silenced]}"
    elif _longest_unseen_s(evidence) >= MIN_UNSEEN_S and spans_s:
        named = ", ".join(f"{start:.1f} to {end:.1f} s" for start, end in spans_s[:MAX_NAMED_SPANS])
        more = f" and {len(spans_s) - MAX_NAMED_SPANS} more times" if len(spans_s) > MAX_NAMED_SPANS else ""
        yield f"this clip looks like {name!r} only from {named}{more}"


def pan_warnings(panning: Panning, job: JobRequest, *, model: ModelInfo, is_silenced: bool) -> Iterator[str]:
    """A sentence where a place was asked for and is not known. A stem that is silent needs none."""
    is_placed = panning.pan is not None or panning.level_db is not None
    if (job.pan != OFF or job.distance) and not is_placed and not is_silenced:
        yield f"{model.model_id} did not see where this is, so that it is heard from the middle, at the level it was made at"


def _longest_unseen_s(evidence: Evidence) -> float:
    """The longest time in which the thing is not seen."""
    end_s = float(len(evidence.presence) / evidence.rate_hz)
    starts = [0.0, *(end for _, end in evidence.seen_spans_s)]
    ends = [*(start for start, _ in evidence.seen_spans_s), end_s]
    return max(end - start for start, end in zip(starts, ends, strict=True))
