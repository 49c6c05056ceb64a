"""Stage 3: the text-steered video encoder, taught by what the named thing's dry sound does.

The published encoder learns from a frozen teacher that sees the clean clip. Scenes give something better: the dry sound of each
thing. For one segment of a mixed picture and one prompt, a linear head on the sync features tells, for the named thing alone,
the onsets, the level in 16 bands, the quantity that is seen, and its kind; a thing that is not there, or keeps still, is silent.
The head is thrown away afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from selva_core.nano_spec import NANO_SPEC
from selva_core.network.mel import MelSpectrogram
from selva_core.network.video_encoder import VideoEncoder
from selva_core.training.dataset import NUM_FRAMES, SceneSet, Target, kind_index
from selva_core.training.loop import LoopSettings, Losses, run_loop
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import HELD_BACK, choose_prompt, prompts_of
from selva_core.training.scenes import KINDS
from selva_core.training.sounds import Rng
from selva_core.training.stage_text import TextTowers

FloatArray: TypeAlias = npt.NDArray[np.float32]
Steering: TypeAlias = Literal["full", "no-text", "no-sup"]

SEGMENT_FRAMES = NANO_SPEC.video_encoder.segment_num_frames
NUM_BANDS = 16
NUM_FACTS = 2 + NUM_BANDS
"""Per frame: onset, seen quantity, level in each band."""
FRAMES_PER_FEATURE = NANO_SPEC.video_encoder.tubelet_frames
ONSET_WIDTH_S = 0.03
NUM_PICTURES = 48
SETTINGS = LoopSettings(num_steps=3000, learning_rate=1.5e-3, average_decay=0.998)


@dataclass(frozen=True)
class Lesson:
    """What the encoder is taught about every sounding thing, float32 (num_sounds, 200, NUM_FACTS)."""

    facts: FloatArray
    silence: FloatArray


def build_lesson(scenes: SceneSet, cache: Path) -> Lesson:
    """Facts of all dry sounds, worked out once and kept in `cache`."""
    mel_of = MelSpectrogram(NANO_SPEC.mel)
    silent_level = _bands(mel_of, np.zeros((1, scenes.sounds.shape[1]), np.float32))[0, 0]
    silence = np.concatenate([np.zeros(2, np.float32), silent_level])
    if cache.exists():
        return Lesson(facts=np.load(cache), silence=silence)
    facts = np.zeros((scenes.sounds.shape[0], NUM_FRAMES, NUM_FACTS), np.float32)
    for start in range(0, facts.shape[0], 64):
        waves = np.asarray(scenes.sounds[start : start + 64], np.float32) / 32767
        facts[start : start + 64, :, 2:] = _bands(mel_of, waves)
    facts[:, :, 1] = scenes.seen
    for target in scenes.targets:
        if target.sound_index >= 0:
            facts[target.sound_index, :, 0] = onset_curve(target.onsets_s, target.strengths)
    np.save(cache, facts)
    return Lesson(facts=facts, silence=silence)


def onset_curve(onsets_s: Sequence[float], strengths: Sequence[float]) -> FloatArray:
    """A soft bump of each event's strength around its time, float32 (200,), one value per frame."""
    middle_s = (np.arange(NUM_FRAMES) + 0.5) / NANO_SPEC.video_encoder.picture_rate
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
    """Chooses what to call a thing: training phrasings, and one time in four a widened one."""

    def __init__(self, corpus: Corpus) -> None:
        self.widened = {kind: corpus.of_kind(kind) for kind in KINDS}

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        """A phrasing for training."""
        if rng.random() < 0.25:
            return choose_prompt(rng, self.widened[kind])
        return choose_prompt(rng, prompts_of(kind, detail))


class EncoderWithHead(nn.Module):
    """The encoder and the head it learns through. `steering` takes away the text or the [SUP] vectors, for comparison."""

    def __init__(self, steering: Steering = "full") -> None:
        super().__init__()
        spec = NANO_SPEC.video_encoder
        self.steering = steering
        self.encoder = VideoEncoder(spec)
        self.facts_head = nn.Linear(spec.width, FRAMES_PER_FEATURE * NUM_FACTS)
        self.kind_head = nn.Linear(spec.width, len(KINDS) + 1)

    def features(self, segments: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """segments (S, F, 3, 48, 48), prompts for each picture (S * K, L, 64) in order -> (S * K, 4, 96)."""
        tokens = self.encoder.encode_segments(segments)
        per_picture = states.shape[0] // segments.shape[0]
        return self.steer(tokens.repeat_interleave(per_picture, dim=0)[:, None], states, mask)

    def steer(self, tokens: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """The encoder's own `steer`, with what `steering` says left out."""
        if self.steering == "no-text":
            states, mask = torch.zeros_like(states[:, :1]), mask[:, :1]
        return self.encoder.steer(tokens, states, mask)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features (B, 4, 96) -> facts (B, 8, NUM_FACTS), kind (B, num_kinds + 1)."""
        facts = rearrange(self.facts_head(features), "b n (f c) -> b (n f) c", f=FRAMES_PER_FEATURE)
        return facts, self.kind_head(features.mean(dim=1))


def pictures_to_tensor(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 (..., F, H, W, 3) -> float32 (..., F, 3, H, W), -1..1."""
    return torch.from_numpy(np.moveaxis(frames, -1, -3).astype(np.float32)) / 127.5 - 1.0


@dataclass(frozen=True)
class Batch:
    """Segments (S, F, 3, 48, 48), two prompts for each, and what is true of the named things."""

    segments: Tensor
    prompts: list[str]
    facts: Tensor
    kinds: Tensor


class SegmentSampler:
    """Draws segments of scenes with prompts: for things that sound, and now and then for what is still or not there."""

    def __init__(self, scenes: SceneSet, lesson: Lesson, phrasebook: Phrasebook) -> None:
        self.scenes, self.lesson, self.phrasebook = scenes, lesson, phrasebook
        self.things: list[list[Target]] = [[] for _ in range(scenes.num_scenes)]
        for target in scenes.targets:
            self.things[target.scene_index].append(target)

    def draw(self, rng: Rng, num_pictures: int) -> Batch:
        """A batch of `num_pictures` segments with two prompts each."""
        segments = np.empty((num_pictures, SEGMENT_FRAMES, 48, 48, 3), np.uint8)
        prompts: list[str] = []
        facts: list[FloatArray] = []
        kinds: list[int] = []
        for k in range(num_pictures):
            scene = int(rng.integers(self.scenes.num_scenes))
            start = int(rng.integers(NUM_FRAMES - SEGMENT_FRAMES + 1))
            cut = self.scenes.frames[scene, start : start + SEGMENT_FRAMES]
            segments[k] = cut[:, :, ::-1] if rng.random() < 0.5 else cut
            for thing in self._two_things(rng, scene):
                prompts.append(self.phrasebook.choose(rng, thing.kind, thing.detail))
                facts.append(self._facts(thing, start))
                kinds.append(kind_index(thing.kind) if thing.sound_index >= 0 else len(KINDS))
        return Batch(
            _varied(pictures_to_tensor(segments), rng),
            prompts,
            torch.from_numpy(np.stack(facts)),
            torch.tensor(kinds),
        )

    def _two_things(self, rng: Rng, scene: int) -> list[Target]:
        things = [self.things[scene][i] for i in rng.permutation(len(self.things[scene]))][:2]
        while len(things) < 2:
            there = {thing.kind for thing in self.things[scene]}
            absent = [kind for kind in KINDS if kind not in there]
            things.append(Target(scene, str(rng.choice(absent)), "", -1, (), ()))
        return things

    def _facts(self, thing: Target, start: int) -> FloatArray:
        if thing.sound_index < 0:
            return np.tile(self.lesson.silence, (SEGMENT_FRAMES, 1))
        return self.lesson.facts[thing.sound_index, start : start + SEGMENT_FRAMES]


def _varied(segments: Tensor, rng: Rng) -> Tensor:
    """Light and colour a little off, with some noise, so that compressed video looks familiar."""
    shape = (segments.shape[0], 1, 3, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, shape).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, shape).astype(np.float32))
    return segments * gain + shift + 0.02 * torch.randn_like(segments)


def compute_lesson_losses(model: EncoderWithHead, towers: TextTowers, batch: Batch) -> Losses:
    """Errors of onsets, bands, seen quantity and kind for one batch."""
    with torch.no_grad():
        states, mask = towers.t5_states(batch.prompts)
    facts, kinds = model(model.features(batch.segments, states, mask))
    onset = F.binary_cross_entropy_with_logits(facts[..., 0], batch.facts[..., 0].clamp(0, 1))
    seen = F.mse_loss(facts[..., 1], batch.facts[..., 1])
    bands = F.smooth_l1_loss(facts[..., 2:], batch.facts[..., 2:], beta=0.3)
    naming = F.cross_entropy(kinds, batch.kinds)
    numbers = {"onset": onset, "seen": seen, "bands": bands, "naming": naming}
    numbers["kind_accuracy"] = (kinds.argmax(1) == batch.kinds).float().mean()
    loss = 4.0 * onset + 2.0 * seen + 2.0 * bands + 0.4 * naming
    return loss, {name: float(value.detach()) for name, value in numbers.items()}


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
    """Train the encoder; held-back scenes with held-back phrasings measure."""
    torch.manual_seed(settings.seed)
    model = EncoderWithHead(steering)
    folder = checkpoint.parent
    sampler = SegmentSampler(train, build_lesson(train, folder / "lesson-train.npy"), Phrasebook(corpus))
    exam_sampler = SegmentSampler(
        held_back, build_lesson(held_back, folder / "lesson-held-back.npy"), _HeldBackPhrasebook()
    )
    exam_rng = np.random.default_rng(7)
    exam = [exam_sampler.draw(exam_rng, 64) for _ in range(6)]

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        return compute_lesson_losses(model, towers, sampler.draw(rng, NUM_PICTURES))

    def evaluate(module: nn.Module) -> dict[str, float]:
        assert isinstance(module, EncoderWithHead)
        rows = [compute_lesson_losses(module, towers, batch)[1] for batch in exam]
        return {f"exam_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}

    run_loop(model, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return model


class _HeldBackPhrasebook(Phrasebook):
    def __init__(self) -> None:
        self.widened = {}

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        return str(rng.choice(HELD_BACK[kind]))
