"""The licences of the published weights: what each allows, and a record that they were accepted.

A licence is shown before the first download that it covers, and asked about once; the record holds the hash of the sentence
that was shown, so that a changed licence is asked about again.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from selva_core.base.atomic_write import write_atomic
from selva_core.base.errors import StorageError
from selva_core.base.paths import ensure_private_folder
from selva_core.base.regular_file import read_bounded

_MAX_RECORD_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Licence:
    """licence_id: as SPDX or the hub names it. sentence: what is shown and stored with every result. allows_commercial: for work
    that is paid; False also where no licence is stated.
    """

    licence_id: str
    sentence: str
    allows_commercial: bool

    @property
    def sentence_sha256(self) -> str:
        return hashlib.sha256(self.sentence.encode()).hexdigest()


SELVA_WEIGHTS = Licence(
    licence_id="selva-unstated",
    sentence="SelVA weights: the authors state no licence; ask them before any use beyond research.",
    allows_commercial=False,
)
MMAUDIO_WEIGHTS = Licence(
    licence_id="cc-by-nc-4.0",
    sentence="MMAudio weights (generator start, VAE): CC-BY-NC 4.0, not for commercial use.",
    allows_commercial=False,
)
APPLE_CLIP = Licence(
    licence_id="apple-amlr",
    sentence="CLIP text tower: Apple Machine Learning Research Model licence (apple-amlr), for research only.",
    allows_commercial=False,
)
FLAN_T5 = Licence(licence_id="apache-2.0-flan-t5", sentence="FLAN-T5: Apache-2.0.", allows_commercial=True)
BIGVGAN = Licence(licence_id="mit-bigvgan", sentence="BigVGAN: MIT.", allows_commercial=True)
PUBLISHED_LICENCES = (SELVA_WEIGHTS, MMAUDIO_WEIGHTS, APPLE_CLIP, FLAN_T5, BIGVGAN)


class AcceptedLicences:
    """The record of one user: a small JSON file. A damaged one counts as empty, so that the licences are shown again."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def not_accepted(self, licences: Iterable[Licence]) -> list[Licence]:
        """Those that have not been accepted in their present wording."""
        rows = self._read()
        return [licence for licence in licences if not _is_accepted(licence, rows.get(licence.licence_id))]

    def accept(self, licences: Iterable[Licence]) -> None:
        """Record that they were accepted now. Raises StorageError, OutputError."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        rows = {
            **self._read(),
            **{
                licence.licence_id: {
                    "sentence": licence.sentence,
                    "sentence_sha256": licence.sentence_sha256,
                    "accepted_at": now,
                }
                for licence in licences
            },
        }
        ensure_private_folder(self._file.parent)
        write_atomic(self._file, json.dumps(rows, indent=1, sort_keys=True).encode(), error=StorageError)

    def _read(self) -> Mapping[str, object]:
        try:
            rows = json.loads(read_bounded(self._file, _MAX_RECORD_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return rows if isinstance(rows, dict) else {}


def _is_accepted(licence: Licence, row: object) -> bool:
    return isinstance(row, dict) and row.get("sentence_sha256") == licence.sentence_sha256
