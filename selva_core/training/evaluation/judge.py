"""The judge: a small classifier of the kind of source that is heard.

It is trained only on dry sounds of its own seeds, in a second or two, when it is needed; it never sees anything of the model
under test. Its input are log mel spectrograms, over which a small convolutional network averages where there is sound.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from selva_core.models.specs import MEL_16K
from selva_core.network.mel import MelSpectrogram
from selva_core.training.scenes.scene import BUILDERS, KINDS
from selva_core.training.scenes.sounds import SAMPLE_RATE_HZ

log = logging.getLogger(__name__)

JUDGE_SEED = 500_000
VALIDATION_SEED = 600_000
EXCERPT_S = 2.56
SILENCE_RMS = 1e-3
FLOOR = -3.5
"""Log10 mel below which everything is clamped, so that faint noise does not influence the verdict."""


class JudgeNet(nn.Module):
    """Log mel (B, 80, R) to scores (B, num_kinds)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(80, 64, 3, padding=1), nn.BatchNorm1d(64), nn.GELU(),
            nn.Conv1d(64, 64, 5, stride=2, padding=2), nn.BatchNorm1d(64), nn.GELU(),
            nn.Conv1d(64, 96, 5, stride=2, padding=2), nn.BatchNorm1d(96), nn.GELU(),
        )  # fmt: skip
        self.attend = nn.Conv1d(96, 1, 1)
        self.name = nn.Linear(2 * 96, len(KINDS))

    def forward(self, mel: Tensor) -> Tensor:
        x = self.layers((mel.clamp_min(FLOOR) + 3.0) / 1.2)
        weights = self.attend(x).softmax(dim=-1)
        scores: Tensor = self.name(torch.cat([(x * weights).sum(-1), x.amax(-1)], dim=1))
        return scores


@dataclass(frozen=True)
class Judge:
    """A trained judge and its accuracy on dry sounds that it was not trained on."""

    net: JudgeNet
    accuracy: float

    def probabilities(self, wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """wave float32 (n,), 16 kHz -> probability of each kind, (num_kinds,)."""
        mel = MelSpectrogram(MEL_16K)(torch.from_numpy(_levelled(wave))[None])
        with torch.no_grad():
            return np.asarray(self.net(mel).softmax(dim=1)[0], np.float32)

    def verdict(self, wave: npt.NDArray[np.float32]) -> str:
        """The kind that is heard, or "silence"."""
        if float(np.sqrt(np.mean(wave**2))) < SILENCE_RMS:
            return "silence"
        return KINDS[int(self.probabilities(wave).argmax())]


def train_judge(*, num_steps: int = 700, batch_size: int = 42, num_per_kind: int = 80) -> Judge:
    """Train on dry sounds of the judge's own seeds; measure the accuracy on those of others."""
    torch.manual_seed(0)
    mel_of, net = MelSpectrogram(MEL_16K), JudgeNet()
    waves, kinds = dry_sounds(JUDGE_SEED, num_per_kind)
    validation_waves, validation_kinds = dry_sounds(VALIDATION_SEED, 12)
    with torch.no_grad():
        mels, validation_mels = (
            torch.cat([mel_of(torch.from_numpy(_levelled(w))[None]) for w in ws])
            for ws in (waves, validation_waves)
        )
    expected, validation_expected = torch.from_numpy(kinds), torch.from_numpy(validation_kinds)
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=num_steps)
    rng = np.random.default_rng(1)
    for _ in range(num_steps):
        rows = torch.from_numpy(rng.integers(len(kinds), size=batch_size))
        loss = F.cross_entropy(net(_degrade(mels[rows])), expected[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        accuracy = float((net(validation_mels).argmax(1) == validation_expected).float().mean())
    log.info("the judge classifies %.1f %% of unseen dry sounds correctly", 100 * accuracy)
    return Judge(net=net.eval(), accuracy=accuracy)


def _degrade(mels: Tensor) -> Tensor:
    """Augmented log mels (B, 80, R), as from a poor loudspeaker: coloured, blurred in time and pitch, with noise.

    Without it the judge relies on faint details of clean sounds, and does not recognise a knock with a little noise.
    """
    size, num_bands, num_frames = mels.shape
    smeared = F.avg_pool2d(F.pad(10.0 ** mels[:, None], (1, 1, 1, 1), mode="replicate"), 3, stride=1)[:, 0]
    share = torch.rand(size, 1, 1) * (torch.rand(size, 1, 1) < 0.6)
    power = torch.lerp(10.0**mels, smeared, share)
    loudest = power.amax(dim=(1, 2), keepdim=True)
    bed = loudest * 10.0 ** (-1.3 - 2.2 * torch.rand(size, 1, 1)) * torch.rand(size, num_bands, num_frames)
    tint = F.interpolate(0.25 * torch.randn(size, 1, 7), size=num_bands, mode="linear", align_corners=True)
    degraded = (power + bed * (torch.rand(size, 1, 1) < 0.7)).log10() + tint.transpose(1, 2)
    return degraded + 0.1 * torch.randn(size, num_bands, num_frames)


def load_or_train_judge(path: Path) -> Judge:
    """Load the judge from `path`, or train one and store it there."""
    if path.exists():
        stored = torch.load(path, weights_only=True)
        net = JudgeNet()
        net.load_state_dict(stored["net"])
        return Judge(net=net.eval(), accuracy=float(stored["accuracy"]))
    judge = train_judge()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"net": judge.net.state_dict(), "accuracy": judge.accuracy}, path)
    return judge


def dry_sounds(
    first_seed: int, num_per_kind: int
) -> tuple[list[npt.NDArray[np.float32]], npt.NDArray[np.int64]]:
    """Excerpts of 2.56 s of every kind, in which something sounds, and the index of the kind of each."""
    waves, kinds = [], []
    for index, kind in enumerate(KINDS):
        for k in range(num_per_kind):
            rng = np.random.default_rng([first_seed + k, index])
            wave = BUILDERS[kind](rng, EXCERPT_S + 2.0, is_still=False).sound
            waves.append(_loudest(wave, round(EXCERPT_S * SAMPLE_RATE_HZ)))
            kinds.append(index)
    return waves, np.asarray(kinds)


def _loudest(wave: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    starts = range(0, wave.size - num_samples + 1, SAMPLE_RATE_HZ // 4)
    best = max(starts, key=lambda start: float(np.square(wave[start : start + num_samples]).sum()))
    return wave[best : best + num_samples]


def _levelled(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The waveform normalised to a peak of one half, so that loudness has no influence."""
    return np.asarray(0.5 * wave / (np.abs(wave).max() + 1e-4), np.float32)
