"""Whether the cache of what models see of pictures holds a cut, so that a further prompt over it is quick."""

from __future__ import annotations

from fractions import Fraction

from selva_core.base.command_line import selva_command
from selva_core.base.settings import Settings
from selva_core.models.catalog import find_model
from selva_core.models.memory_needs import token_bytes_per_s
from selva_otio import CueSheet

_GIB = 1 << 30
_ROOM_SHARE = 0.9
"""A full cache is emptied to this share."""


def measure_pictures_s(sheet: CueSheet) -> Fraction:
    """How much picture the clips of a cue sheet have, handles included; the same range counts once."""
    ranges = {
        (clip.picture_path, clip.picture_start_s, clip.picture_speed, clip.sound_duration_s)
        for clip in sheet.clips
    }
    return sum((duration_s for *_, duration_s in ranges), Fraction(0))


def describe_picture_cache(sheet: CueSheet, model_id: str, settings: Settings) -> str | None:
    """A sentence where the cache does not hold the pictures of a cue sheet for this model; None where it does, or where the model
    stores nothing. Raises UnknownModelError.
    """
    spec = find_model(model_id).spec
    if spec is None or not settings.feature_cache_bytes:
        return None
    bytes_per_s = token_bytes_per_s(spec, has_bfloat16=settings.precision == "bfloat16")
    stored_s = settings.feature_cache_bytes * _ROOM_SHARE / bytes_per_s
    pictures_s = float(measure_pictures_s(sheet))
    if pictures_s <= stored_s:
        return None
    needed_gib = -(-int(pictures_s * bytes_per_s / _ROOM_SHARE) // _GIB)
    precision = "" if settings.precision == "bfloat16" else ", twice as much where it runs in bfloat16"
    return (
        f"the cache of what {model_id} sees ({settings.feature_cache_bytes / _GIB:.1f} GiB) holds {_minutes(stored_s)} of picture"
        f"{precision}, and this cut has {_minutes(pictures_s)}: a further prompt over it finds a part there; all of it with: "
        f"{selva_command('config', 'set', 'feature_cache_bytes', f'{needed_gib}GiB')}"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
