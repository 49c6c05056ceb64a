"""How far two sounds are apart, and what the model's own VAE and vocoder leave of a sound at best."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from selva_core.models import default_models_dir, find_model, installed_files
from selva_core.network import load_network
from selva_core.network.mel import MelSpectrogram
from selva_core.specs import MEL_16K

MEL_FLOOR = -4.0


def measure_mel_distance(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Mean absolute difference of log10 mels above -80 dB or so; both float32 (n,) at 16 kHz."""
    num = min(one.size, other.size)
    mels = MelSpectrogram(MEL_16K)(torch.from_numpy(np.stack([one[:num], other[:num]]))).clamp_min(MEL_FLOOR)
    return float((mels[0] - mels[1]).abs().mean())


def build_round_trip(
    model_id: str,
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] | None:
    """A dry sound through the model's VAE and vocoder; None for a model without a network or its files."""
    model = find_model(model_id)
    files = installed_files(model, default_models_dir())
    if model.spec is None or "vae" not in files:
        return None
    network = load_network(model.spec, files, for_training=True)
    mel_of = MelSpectrogram(model.spec.mel)

    def round_trip(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            mel = network.vae.decode(network.vae.encode(mel_of(torch.from_numpy(wave)[None])).mean)
            return np.asarray(network.vocoder(mel)[0], np.float32)

    return round_trip
