"""Stage 3: the text-steered video encoder, trained to predict the dry sound of the named source.

The published encoder is distilled from a frozen teacher that sees the clean clip. Scenes provide a better target: the dry sound
of each source. For one segment of a mixed scene and one prompt, a linear head on the sync features predicts, for the named
source only, onsets, level in 16 bands, visible quantity and kind; a source that is absent or keeps still is silent. A second
head reads the tokens before they are steered, patch by patch: the kind of source there, and its sound. It trains the half
before the text, without which steering has nothing to select from. Both heads are dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network.mel import MelSpectrogram
from selva_core.network.video_encoder import VideoEncoder
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import HELD_BACK, choose_prompt, prompts_of
from selva_core.training.scenes.scene import KINDS
from selva_core.training.scenes.sounds import Rng
from selva_core.training.stages.dataset import NUM_FRAMES, SceneSet, Target, kind_index
from selva_core.training.stages.loop import (
    LoopSettings,
    Losses,
    device_of,
    mixed_precision,
    run_loop,
    training_device,
)
from selva_core.training.stages.text import TextTowers

FloatArray: TypeAlias = npt.NDArray[np.float32]
Steering: TypeAlias = Literal["full", "no-text", "no-sup"]
STEERINGS: tuple[Steering, ...] = get_args(Steering)

SEGMENT_FRAMES = NANO_SPEC.video_encoder.segment_num_frames
NUM_BANDS = 16
NUM_FRAME_TARGETS = 2 + NUM_BANDS
"""Per frame: onset, visible quantity, level in each band."""
PATCHES_ACROSS = NANO_SPEC.video_encoder.frame_size_px // NANO_SPEC.video_encoder.patch_px
FRAMES_PER_FEATURE = NANO_SPEC.video_encoder.tubelet_frames
ONSET_WIDTH_S = 0.03
NUM_SEGMENTS = 48
VIDEO_ONLY_STEPS = 800
"""The half before the text is trained alone first, at half the cost."""
SETTINGS = LoopSettings(num_steps=3500, learning_rate=2e-3, average_decay=0.995)


@dataclass(frozen=True)
class TargetTable:
    """The training targets of all sounding sources.

    frame_targets: float32 (num_sounds, 200, NUM_FRAME_TARGETS). silence: float32 (NUM_FRAME_TARGETS,), of one silent frame.
    """

    frame_targets: FloatArray
    silence: FloatArray


def build_target_table(scenes: SceneSet, cache: Path) -> TargetTable:
    """The targets of all dry sounds, computed once and stored in `cache`."""
    mel_of = MelSpectrogram(NANO_SPEC.mel)
    silent_level = _bands(mel_of, np.zeros((1, scenes.sounds.shape[1]), np.float32))[0, 0]
    silence = np.concatenate([np.zeros(2, np.float32), silent_level])
    if cache.exists():
        return TargetTable(frame_targets=np.load(cache), silence=silence)
    frame_targets = np.zeros((scenes.sounds.shape[0], NUM_FRAMES, NUM_FRAME_TARGETS), np.float32)
    for start in range(0, frame_targets.shape[0], 64):
        waves = np.asarray(scenes.sounds[start : start + 64] / np.float32(32767), np.float32)
        frame_targets[start : start + 64, :, 2:] = _bands(mel_of, waves)
    frame_targets[:, :, 1] = scenes.seen
    for target in scenes.targets:
        if target.sound_index >= 0:
            frame_targets[target.sound_index, :, 0] = onset_curve(target.onsets_s, target.strengths)
    np.save(cache, frame_targets)
    return TargetTable(frame_targets=frame_targets, silence=silence)


def onset_curve(onsets_s: Sequence[float], strengths: Sequence[float]) -> FloatArray:
    """A soft bump of each event's strength around its time, float32 (200,), one value per frame."""
    middle_s = (np.arange(NUM_FRAMES) + 0.5) / NANO_SPEC.video_encoder.frame_rate_hz
    curve = np.zeros(NUM_FRAMES)
    for onset_s, strength in zip(onsets_s, strengths, strict=True):
        bump = np.exp(-0.5 * ((middle_s - onset_s) / ONSET_WIDTH_S) ** 2)
        curve = np.maximum(curve, (0.5 + 0.5 * strength) * bump)
    return curve.astype(np.float32)


def _bands(mel_of: MelSpectrogram, waves: FloatArray) -> FloatArray:
    mel = mel_of(torch.from_numpy(waves))
    pooled = F.adaptive_avg_pool1d(
        rearrange(mel, "b (k five) r -> b k five r", k=NUM_BANDS).mean(2), NUM_FRAMES
    )
    return np.asarray((rearrange(pooled, "b k t -> b t k") + 4.0) / 1.5, np.float32)


class Phrasebook:
    """Chooses a phrasing for a source: one of training, and one time in four one of the corpus."""

    def __init__(self, corpus: Corpus) -> None:
        self.widened = {kind: corpus.of_kind(kind) for kind in KINDS}

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        """A phrasing for training."""
        if rng.random() < 0.25:
            return choose_prompt(rng, self.widened[kind])
        return choose_prompt(rng, prompts_of(kind, detail))


class HeldBackPhrasebook(Phrasebook):
    """Held-back phrasings only, for validation."""

    def __init__(self) -> None:
        self.widened = dict.fromkeys(KINDS, ())

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        return str(rng.choice(HELD_BACK[kind]))


def encoder_spec(steering: Steering) -> VideoEncoderSpec:
    """The encoder's sizes, without [SUP] tokens where `steering` says so."""
    spec = NANO_SPEC.video_encoder
    return replace(spec, num_sup_tokens=0) if steering == "no-sup" else spec


class EncoderWithHead(nn.Module):
    """The encoder and the heads of its training. steering: leaves out the text or the [SUP] tokens, for comparison."""

    def __init__(self, steering: Steering = "full") -> None:
        super().__init__()
        spec = encoder_spec(steering)
        self.steering = steering
        self.encoder = VideoEncoder(spec)
        self.frame_head = nn.Linear(spec.width, FRAMES_PER_FEATURE * NUM_FRAME_TARGETS)
        self.kind_head = nn.Linear(spec.width, len(KINDS) + 1)
        self.patch_head = nn.Linear(spec.width, len(KINDS) + 1 + FRAMES_PER_FEATURE * NUM_FRAME_TARGETS)

    def steer(self, tokens: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """The encoder's `steer`, without the text where `steering` says so."""
        if self.steering == "no-text":
            states, mask = torch.zeros_like(states[:, :1]), mask[:, :1]
        return self.encoder.steer(tokens, states, mask)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features (B, 4, 96) -> frame targets (B, 8, NUM_FRAME_TARGETS), kind (B, num_kinds + 1)."""
        frame_targets = rearrange(self.frame_head(features), "b n (f c) -> b (n f) c", f=FRAMES_PER_FEATURE)
        return frame_targets, self.kind_head(features.mean(dim=1))


def frames_to_tensor(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 (..., F, H, W, 3) -> float32 (..., F, 3, H, W), -1..1."""
    return torch.from_numpy(np.moveaxis(frames, -1, -3).astype(np.float32)) / 127.5 - 1.0


@dataclass(frozen=True)
class Batch:
    """Segments (S, F, 3, 48, 48), two prompts for each, and the targets of the named sources.

    frame_targets (2 S, F, NUM_FRAME_TARGETS) and kinds (2 S,) are of the named sources; patch_kinds (S, P) and patch_targets
    (S, P, F, NUM_FRAME_TARGETS) of the source at each patch.
    """

    segments: Tensor
    prompts: list[str]
    frame_targets: Tensor
    kinds: Tensor
    patch_kinds: Tensor
    patch_targets: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        tensors = ("segments", "frame_targets", "kinds", "patch_kinds", "patch_targets")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


class SegmentSampler:
    """Draws segments of scenes with prompts: for sources that sound, and sometimes for those that are still or absent."""

    def __init__(self, scenes: SceneSet, table: TargetTable, phrasebook: Phrasebook) -> None:
        self.scenes, self.table, self.phrasebook = scenes, table, phrasebook
        self.targets: list[list[Target]] = [[] for _ in range(scenes.num_scenes)]
        for target in scenes.targets:
            self.targets[target.scene_index].append(target)

    def draw(self, rng: Rng, num_segments: int) -> Batch:
        """A batch of `num_segments` segments with two prompts each."""
        segments = np.empty((num_segments, SEGMENT_FRAMES, 48, 48, 3), np.uint8)
        prompts: list[str] = []
        frame_targets: list[FloatArray] = []
        kinds: list[int] = []
        patch_kinds = np.full((num_segments, PATCHES_ACROSS**2), len(KINDS))
        patch_targets = np.tile(self.table.silence, (num_segments, PATCHES_ACROSS**2, SEGMENT_FRAMES, 1))
        for k in range(num_segments):
            scene = int(rng.integers(self.scenes.num_scenes))
            start = int(rng.integers(NUM_FRAMES - SEGMENT_FRAMES + 1))
            cut = self.scenes.frames[scene, start : start + SEGMENT_FRAMES]
            is_mirrored = rng.random() < 0.5
            segments[k] = cut[:, :, ::-1] if is_mirrored else cut
            for source in self.targets[scene]:
                patches = _covered_patches(source, start, is_mirrored=is_mirrored)
                patch_kinds[k, patches] = kind_index(source.kind)
                patch_targets[k, patches] = self._frame_targets_of(source, start)
            for source in self._two_targets(rng, scene):
                prompts.append(self.phrasebook.choose(rng, source.kind, source.detail))
                frame_targets.append(self._frame_targets_of(source, start))
                kinds.append(kind_index(source.kind) if source.sound_index >= 0 else len(KINDS))
        return Batch(
            segments=_augment(segments, rng),
            prompts=prompts,
            frame_targets=torch.from_numpy(np.stack(frame_targets)),
            kinds=torch.tensor(kinds),
            patch_kinds=torch.from_numpy(patch_kinds),
            patch_targets=torch.from_numpy(patch_targets),
        )

    def _two_targets(self, rng: Rng, scene: int) -> list[Target]:
        targets = [self.targets[scene][i] for i in rng.permutation(len(self.targets[scene]))][:2]
        while len(targets) < 2:
            present = {source.kind for source in self.targets[scene]}
            absent = [kind for kind in KINDS if kind not in present]
            targets.append(Target(scene, str(rng.choice(absent)), "", -1))
        return targets

    def _frame_targets_of(self, source: Target, start: int) -> FloatArray:
        if source.sound_index < 0:
            return np.tile(self.table.silence, (SEGMENT_FRAMES, 1))
        return self.table.frame_targets[source.sound_index, start : start + SEGMENT_FRAMES]


def _covered_patches(source: Target, start: int, *, is_mirrored: bool) -> npt.NDArray[np.intp]:
    """Indices of the patches whose centre a source covers at the first frame of a segment."""
    start_s = start / NANO_SPEC.video_encoder.frame_rate_hz
    x, y = source.x + source.drift_x * start_s, source.y + source.drift_y * start_s
    x = 1.0 - x if is_mirrored else x
    middles = (np.arange(PATCHES_ACROSS) + 0.5) / PATCHES_ACROSS
    reach = 0.5 * source.size
    inside = (np.abs(middles[:, None] - y) < reach) & (np.abs(middles[None, :] - x) < reach)
    return np.flatnonzero(inside)


def _augment(segments: npt.NDArray[np.uint8], rng: Rng) -> Tensor:
    """uint8 (S, F, H, W, 3) -> float32 (S, F, 3, H, W), about -1..1, with random light, colour and noise."""
    shape = (segments.shape[0], 1, 3, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, shape).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, shape).astype(np.float32))
    grain = 0.02 * torch.randn(segments.shape[1], 3, *segments.shape[2:4])
    frames = rearrange(torch.from_numpy(segments), "s f y x c -> s f c y x").float()
    return frames.mul_(gain / 127.5).add_(shift - gain).add_(grain)


def compute_encoder_losses(model: EncoderWithHead, towers: TextTowers, batch: Batch) -> Losses:
    """Losses of onsets, bands, visible quantity and kind for one batch."""
    batch = batch.to(device_of(model))
    with torch.no_grad():
        states, mask = towers.t5_states(batch.prompts)
    with mixed_precision(batch.segments.device):
        tokens = model.encoder.encode_segments(batch.segments)
        frame_targets, kinds = model(model.steer(tokens.repeat_interleave(2, dim=0)[:, None], states, mask))
        predictions = model.patch_head(tokens)
    patches, patch_numbers = _patch_losses(predictions.float(), batch)
    loss, numbers = _frame_losses(frame_targets.float(), batch.frame_targets)
    naming = F.cross_entropy(kinds.float(), batch.kinds)
    numbers["kind_accuracy"] = (kinds.argmax(1) == batch.kinds).float().mean()
    numbers = {**numbers, "naming": naming, **patch_numbers}
    return loss + 0.4 * naming + 0.5 * patches, {
        name: float(value.detach()) for name, value in numbers.items()
    }


def compute_video_losses(model: EncoderWithHead, batch: Batch) -> Losses:
    """Losses of the half before the text only."""
    batch = batch.to(device_of(model))
    with mixed_precision(batch.segments.device):
        predictions = model.patch_head(model.encoder.encode_segments(batch.segments))
    loss, numbers = _patch_losses(predictions.float(), batch)
    return loss, {name: float(value.detach()) for name, value in numbers.items()}


def _patch_losses(predictions: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """predictions (S, T, P, num_kinds + 1 + 2 * NUM_FRAME_TARGETS)."""
    num_names = len(KINDS) + 1
    names = rearrange(predictions[..., :num_names], "s t p k -> s p k t")
    expected = batch.patch_kinds[..., None].expand(-1, -1, names.shape[-1])
    naming = F.cross_entropy(
        rearrange(names, "s p k t -> (s p) k t"), rearrange(expected, "s p t -> (s p) t")
    )
    is_covered = batch.patch_kinds < len(KINDS)
    frame_targets = rearrange(
        predictions[..., num_names:], "s t p (f c) -> s p (t f) c", f=FRAMES_PER_FEATURE
    )
    loss, numbers = _frame_losses(frame_targets[is_covered], batch.patch_targets[is_covered])
    right = (names.argmax(2) == expected).float()
    numbers = {f"place_{name}": value for name, value in numbers.items()}
    return loss + 2.0 * naming, {
        **numbers,
        "place_naming": naming,
        "place_accuracy": right[is_covered].mean(),
    }


def _frame_losses(frame_targets: Tensor, expected: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """frame_targets, expected (B, 8, NUM_FRAME_TARGETS)."""
    onset = F.binary_cross_entropy_with_logits(frame_targets[..., 0], expected[..., 0].clamp(0, 1))
    seen = F.mse_loss(frame_targets[..., 1], expected[..., 1])
    bands = F.smooth_l1_loss(frame_targets[..., 2:], expected[..., 2:], beta=0.3)
    return 6.0 * onset + 2.0 * seen + 2.0 * bands, {"onset": onset, "seen": seen, "bands": bands}


def train_encoder(
    train: SceneSet,
    held_back: SceneSet,
    towers: TextTowers,
    corpus: Corpus,
    checkpoint: Path,
    *,
    settings: LoopSettings = SETTINGS,
    steering: Steering = "full",
) -> EncoderWithHead:
    """Train the encoder; it is validated on held-back scenes with held-back phrasings."""
    torch.manual_seed(settings.seed)
    model = EncoderWithHead(steering).to(training_device())
    towers = towers.to(training_device())
    folder = checkpoint.parent
    sampler = SegmentSampler(
        train, build_target_table(train, folder / "lesson-train.npy"), Phrasebook(corpus)
    )
    validation_sampler = SegmentSampler(
        held_back, build_target_table(held_back, folder / "lesson-held-back.npy"), HeldBackPhrasebook()
    )
    validation_rng = np.random.default_rng(7)
    validation = [validation_sampler.draw(validation_rng, 64) for _ in range(6)]

    def compute_losses(step: int, rng: np.random.Generator) -> Losses:
        if step < VIDEO_ONLY_STEPS:
            return compute_video_losses(model, sampler.draw(rng, NUM_SEGMENTS))
        return compute_encoder_losses(model, towers, sampler.draw(rng, NUM_SEGMENTS))

    def evaluate() -> dict[str, float]:
        rows = [compute_encoder_losses(model, towers, batch)[1] for batch in validation]
        return {f"exam_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}

    run_loop(model, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return model
