"""What is measured of the stems of a job, while all of its evidence is at hand."""

from __future__ import annotations

from collections.abc import Sequence

from selva_core.base.errors import SelvaError
from selva_daemon.protocol.status import StemHints
from selva_daemon.worker.evidence_files import StagedStem


def measure_staged(staged: Sequence[StagedStem]) -> list[StemHints | None]:
    """The hints of each stem; None for one whose file cannot be read. Its siblings are the stems of other tracks."""
    return [_measure(each, staged) for each in staged]


def _measure(stem: StagedStem, staged: Sequence[StagedStem]) -> StemHints | None:
    from selva_core.audio.take_hints import measure_take  # noqa: PLC0415 - loads numpy; the server imports this module

    siblings = [
        other.evidence
        for other in staged
        if other.stem.cue.track != stem.stem.cue.track and other.evidence is not None
    ]
    try:
        return StemHints(**measure_take(stem.path, stem.evidence, siblings).to_json())
    except (OSError, ValueError, SelvaError):
        return None
