"""Content keys: what changes a stem changes its key, and nothing else does; keys of earlier versions stay valid."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from selva_core.base.media import PictureRange
from selva_core.engine import SamplingSettings, StemRequest
from selva_daemon.worker.content_key import waveform_key
from selva_daemon.worker.media_identity import MediaIdentity


def key(sampling: SamplingSettings, precision: str = "", *, siblings: tuple[str, ...] = ()) -> str:
    return waveform_key(
        identity=MediaIdentity(size_bytes=10, modified_ns=0, sha256="ab" * 32),
        media=PictureRange(path=Path("clip.mp4"), start_s=Fraction(0), duration_s=Fraction(8)),
        request=StemRequest(prompt="dog", siblings=siblings),
        model="selva-small-16k",
        weights_sha256="cd" * 32,
        sampling=sampling,
        precision=precision,
    )


def test_draft_and_final_of_the_same_steps_have_different_keys() -> None:
    assert key(SamplingSettings()) != key(SamplingSettings(quality="draft"))


def test_each_precision_that_a_device_did_not_always_have_has_a_key_of_its_own() -> None:
    keys = {key(SamplingSettings(), precision) for precision in ("", "float32", "bfloat16")}
    assert len(keys) == 3


def test_siblings_are_part_of_the_key_only_where_a_stem_is_separated_from_them() -> None:
    apart = SamplingSettings(separate=1.0)
    plain = key(SamplingSettings())
    assert key(SamplingSettings(), siblings=("bell",)) == plain == key(apart)
    different = {
        key(sampling, siblings=siblings)
        for sampling in (apart, SamplingSettings(separate=0.5))
        for siblings in (("bell",), ("bell", "rain"))
    }
    assert len({plain, *different}) == 5
