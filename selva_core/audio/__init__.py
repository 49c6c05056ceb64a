"""Audio files and measurements: WAV with its metadata, stems, loudness, resampling, signatures.

Names are imported when they are used: reading the provenance of a stem loads neither av nor torch.
"""

from typing import TYPE_CHECKING

from selva_core.base.lazy_import import lazy_names

if TYPE_CHECKING:
    from selva_core.audio.credentials import Signer, sign_stem
    from selva_core.audio.loudness import Loudness, LoudnessMeter
    from selva_core.audio.provenance import read_provenance
    from selva_core.audio.stem_file import StemFile, read_stem_file
    from selva_core.audio.stem_writer import StemReport, write_stem

__all__ = [
    "Loudness",
    "LoudnessMeter",
    "Signer",
    "StemFile",
    "StemReport",
    "read_provenance",
    "read_stem_file",
    "sign_stem",
    "write_stem",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Loudness": "selva_core.audio.loudness",
        "LoudnessMeter": "selva_core.audio.loudness",
        "Signer": "selva_core.audio.credentials",
        "StemFile": "selva_core.audio.stem_file",
        "StemReport": "selva_core.audio.stem_writer",
        "read_provenance": "selva_core.audio.provenance",
        "read_stem_file": "selva_core.audio.stem_file",
        "sign_stem": "selva_core.audio.credentials",
        "write_stem": "selva_core.audio.stem_writer",
    },
)
