"""Keys of waveforms and files, by what they are made from: equal keys, equal bytes.

What goes into a key, and how it is written, is never changed: caches and names of files that exist are made with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from functools import partial

import selva_core
from selva_core.base.media import PictureRange
from selva_core.base.render_options import NOT_PANNED, STEREO, PanOptions
from selva_core.engine import SamplingSettings, StemRequest
from selva_daemon.protocol.job import OutputRequest
from selva_daemon.protocol.picture import picture_to_wire
from selva_daemon.worker.media_identity import MediaIdentity

KEY_CHARS_IN_NAMES = 10


def waveform_key(
    *,
    identity: MediaIdentity,
    media: PictureRange,
    request: StemRequest,
    model: str,
    weights_sha256: str,
    sampling: SamplingSettings,
    precision: str = "",
) -> str:
    """SHA-256 (hex) over everything that the model's waveform depends on. precision: `Engine.key_precision`."""
    # Later additions are left out where they have the value that everything had before: so earlier keys stay valid.
    is_separated = sampling.separate > 0.0 and bool(request.siblings)
    added: dict[str, object] = {
        "quality": "" if sampling.quality == "final" else sampling.quality,
        "precision": precision,
        "separate": {"weight": sampling.separate, "from": list(request.siblings)} if is_separated else {},
    }
    key_of = partial(
        waveform_key,
        identity=identity,
        model=model,
        weights_sha256=weights_sha256,
        sampling=sampling,
        precision=precision,
    )
    if request.redo is not None:
        stretch = (_exact(request.redo.start_s), _exact(request.redo.end_s))
        added["redo"] = {"base": key_of(media=media, request=request.redo.base), "stretch": stretch}
    if request.extends is not None:
        extends = request.extends
        base = key_of(media=extends.inner_range(media), request=extends.base)
        added["extends"] = {"base": base, "by": (_exact(extends.head_s), _exact(extends.tail_s))}
    return _digest(
        {
            **{name: value for name, value in added.items() if value},
            "media": asdict(identity),
            "start": _exact(media.start_s),
            "duration": _exact(media.duration_s),
            "speed": _exact(media.speed),
            "images": None if media.images is None else picture_to_wire(media)["images"],
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "seed": request.seed,
            "model": model,
            "weights": weights_sha256,
            "num_steps": sampling.num_steps,
            "guidance": sampling.guidance,
            "engine": selva_core.__version__,
        }
    )


def file_key(
    waveform: str,
    *,
    output: OutputRequest,
    provenance: Mapping[str, str],
    signer: str | None = None,
    is_silenced: bool = False,
    pan: PanOptions = NOT_PANNED,
    spliced_into: str | None = None,
) -> str:
    """SHA-256 (hex) over the waveform's key and all that shapes the file made from it. signer: the signer's fingerprint.
    spliced_into: the hash of the audio that the waveform is a stretch of.
    """
    panned = {"pan": pan.width} if pan.mode == STEREO else {}  # an envelope is no part of the file
    placed = {**panned, "distance": True} if pan.distance else panned
    return _digest(
        {
            "waveform": waveform,
            "sample_rate_hz": output.sample_rate_hz,
            "num_samples": output.num_samples,
            "time_reference_samples": output.time_reference_samples,
            "labels": [asdict(label) for label in output.labels],
            "signer": signer,
            "provenance": dict(provenance),
            **({"silenced": True} if is_silenced else {}),
            **placed,
            **({"spliced_into": spliced_into} if spliced_into else {}),
        }
    )


def _exact(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _digest(parts: Mapping[str, object]) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
