"""The distance of two sounds, and the best that the model's own VAE and vocoder can preserve of one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.specs import MEL_16K
from selva_core.network.mel import MelSpectrogram
from selva_core.training.stages.work import WorkFolder

MEL_FLOOR = -4.0


def measure_mel_distance(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Mean absolute difference of log10 mels above -80 dB or so; both float32 (n,) at 16 kHz."""
    num = min(one.size, other.size)
    mels = MelSpectrogram(MEL_16K)(torch.from_numpy(np.stack([one[:num], other[:num]]))).clamp_min(MEL_FLOOR)
    return float((mels[0] - mels[1]).abs().mean())


def build_round_trip(
    work: WorkFolder,
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]] | None:
    """A function that passes a dry sound through VAE and vocoder of a training run; None where there is no such run.

    The encoder of the VAE is not shipped, so this bound is known only where the training was.
    """
    if not (work.path / "vae.pt").exists():
        return None
    vae, vocoder, mel_of = work.vae(), work.vocoder(), MelSpectrogram(NANO_SPEC.mel)

    def round_trip(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        with torch.no_grad():
            mel = vae.decode(vae.encode(mel_of(torch.from_numpy(wave)[None])).mean)
            return np.asarray(vocoder(mel)[0], np.float32)

    return round_trip
