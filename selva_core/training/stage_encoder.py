"""Stage 3: the text-steered video encoder, taught by what the named thing's dry sound does.

The published encoder learns from a frozen teacher that sees the clean clip. Scenes give something better: the dry sound of each
thing. For one segment of a mixed picture and one prompt, a linear head on the sync features tells, for the named thing alone,
the onsets, the level in 16 bands, the quantity that is seen, and its kind; a thing that is not there, or keeps still, is silent.
A second head reads the tokens before they see the text, place by place: which kind stands there, and what its sound does. It
teaches the picture half to see, without which the text half finds nothing to choose from. Both heads are thrown away afterwards.
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
from selva_core.models.specs import VideoEncoderSpec
from selva_core.network.mel import MelSpectrogram
from selva_core.network.video_encoder import VideoEncoder
from selva_core.training.dataset import NUM_FRAMES, SceneSet, Target, kind_index
from selva_core.training.loop import (
    LoopSettings,
    Losses,
    device_of,
    mixed_precision,
    run_loop,
    training_device,
)
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import HELD_BACK, choose_prompt, prompts_of
from selva_core.training.scenes import KINDS
from selva_core.training.sounds import Rng
from selva_core.training.stage_text import TextTowers

FloatArray: TypeAlias = npt.NDArray[np.float32]
Steering: TypeAlias = Literal["full", "no-text", "no-sup"]
STEERINGS: tuple[Steering, ...] = get_args(Steering)

SEGMENT_FRAMES = NANO_SPEC.video_encoder.segment_num_frames
NUM_BANDS = 16
NUM_FACTS = 2 + NUM_BANDS
"""Per frame: onset, seen quantity, level in each band."""
PLACES_ACROSS = NANO_SPEC.video_encoder.frame_size_px // NANO_SPEC.video_encoder.patch_px
FRAMES_PER_FEATURE = NANO_SPEC.video_encoder.tubelet_frames
ONSET_WIDTH_S = 0.03
NUM_PICTURES = 48
PICTURE_ONLY_STEPS = 800
"""The picture half learns to see first, on its own and at half the cost."""
SETTINGS = LoopSettings(num_steps=3500, learning_rate=2e-3, average_decay=0.995)


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
        waves = np.asarray(scenes.sounds[start : start + 64] / np.float32(32767), np.float32)
        facts[start : start + 64, :, 2:] = _bands(mel_of, waves)
    facts[:, :, 1] = scenes.seen
    for target in scenes.targets:
        if target.sound_index >= 0:
            facts[target.sound_index, :, 0] = onset_curve(target.onsets_s, target.strengths)
    np.save(cache, facts)
    return Lesson(facts=facts, silence=silence)


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
    """Chooses what to call a thing: training phrasings, and one time in four a widened one."""

    def __init__(self, corpus: Corpus) -> None:
        self.widened = {kind: corpus.of_kind(kind) for kind in KINDS}

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        """A phrasing for training."""
        if rng.random() < 0.25:
            return choose_prompt(rng, self.widened[kind])
        return choose_prompt(rng, prompts_of(kind, detail))


class HeldBackPhrasebook(Phrasebook):
    """Held-back phrasings only, for examinations."""

    def __init__(self) -> None:
        self.widened = dict.fromkeys(KINDS, ())

    def choose(self, rng: Rng, kind: str, detail: str) -> str:
        return str(rng.choice(HELD_BACK[kind]))


def encoder_spec(steering: Steering) -> VideoEncoderSpec:
    """The encoder's sizes, without [SUP] tokens where `steering` says so."""
    spec = NANO_SPEC.video_encoder
    return replace(spec, num_sup_tokens=0) if steering == "no-sup" else spec


class EncoderWithHead(nn.Module):
    """The encoder and the head it learns through. `steering` takes away the text or the [SUP] tokens, for comparison."""

    def __init__(self, steering: Steering = "full") -> None:
        super().__init__()
        spec = encoder_spec(steering)
        self.steering = steering
        self.encoder = VideoEncoder(spec)
        self.facts_head = nn.Linear(spec.width, FRAMES_PER_FEATURE * NUM_FACTS)
        self.kind_head = nn.Linear(spec.width, len(KINDS) + 1)
        self.place_head = nn.Linear(spec.width, len(KINDS) + 1 + FRAMES_PER_FEATURE * NUM_FACTS)

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
    """Segments (S, F, 3, 48, 48), two prompts for each, and what is true of the named things.

    place_kinds (S, P) and place_facts (S, P, F, NUM_FACTS) tell what stands at each patch and what its sound does.
    """

    segments: Tensor
    prompts: list[str]
    facts: Tensor
    kinds: Tensor
    place_kinds: Tensor
    place_facts: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        tensors = ("segments", "facts", "kinds", "place_kinds", "place_facts")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


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
        place_kinds = np.full((num_pictures, PLACES_ACROSS**2), len(KINDS))
        place_facts = np.tile(self.lesson.silence, (num_pictures, PLACES_ACROSS**2, SEGMENT_FRAMES, 1))
        for k in range(num_pictures):
            scene = int(rng.integers(self.scenes.num_scenes))
            start = int(rng.integers(NUM_FRAMES - SEGMENT_FRAMES + 1))
            cut = self.scenes.frames[scene, start : start + SEGMENT_FRAMES]
            is_mirrored = rng.random() < 0.5
            segments[k] = cut[:, :, ::-1] if is_mirrored else cut
            for thing in self.things[scene]:
                places = _places(thing, start, is_mirrored=is_mirrored)
                place_kinds[k, places] = kind_index(thing.kind)
                place_facts[k, places] = self._facts(thing, start)
            for thing in self._two_things(rng, scene):
                prompts.append(self.phrasebook.choose(rng, thing.kind, thing.detail))
                facts.append(self._facts(thing, start))
                kinds.append(kind_index(thing.kind) if thing.sound_index >= 0 else len(KINDS))
        return Batch(
            segments=_varied(segments, rng),
            prompts=prompts,
            facts=torch.from_numpy(np.stack(facts)),
            kinds=torch.tensor(kinds),
            place_kinds=torch.from_numpy(place_kinds),
            place_facts=torch.from_numpy(place_facts),
        )

    def _two_things(self, rng: Rng, scene: int) -> list[Target]:
        things = [self.things[scene][i] for i in rng.permutation(len(self.things[scene]))][:2]
        while len(things) < 2:
            there = {thing.kind for thing in self.things[scene]}
            absent = [kind for kind in KINDS if kind not in there]
            things.append(Target(scene, str(rng.choice(absent)), "", -1))
        return things

    def _facts(self, thing: Target, start: int) -> FloatArray:
        if thing.sound_index < 0:
            return np.tile(self.lesson.silence, (SEGMENT_FRAMES, 1))
        return self.lesson.facts[thing.sound_index, start : start + SEGMENT_FRAMES]


def _places(thing: Target, start: int, *, is_mirrored: bool) -> npt.NDArray[np.intp]:
    """Indices of the patches whose middle lies on a thing, as seen from a segment's first frame on."""
    start_s = start / NANO_SPEC.video_encoder.frame_rate_hz
    x, y = thing.x + thing.drift_x * start_s, thing.y + thing.drift_y * start_s
    x = 1.0 - x if is_mirrored else x
    middles = (np.arange(PLACES_ACROSS) + 0.5) / PLACES_ACROSS
    reach = 0.5 * thing.size
    inside = (np.abs(middles[:, None] - y) < reach) & (np.abs(middles[None, :] - x) < reach)
    return np.flatnonzero(inside)


def _varied(segments: npt.NDArray[np.uint8], rng: Rng) -> Tensor:
    """uint8 (S, F, H, W, 3) -> float32 (S, F, 3, H, W), about -1..1: light and colour a little off, with some noise."""
    shape = (segments.shape[0], 1, 3, 1, 1)
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, shape).astype(np.float32))
    shift = torch.from_numpy(rng.uniform(-0.1, 0.1, shape).astype(np.float32))
    grain = 0.02 * torch.randn(segments.shape[1], 3, *segments.shape[2:4])
    pictures = rearrange(torch.from_numpy(segments), "s f y x c -> s f c y x").float()
    return pictures.mul_(gain / 127.5).add_(shift - gain).add_(grain)


def compute_lesson_losses(model: EncoderWithHead, towers: TextTowers, batch: Batch) -> Losses:
    """Errors of onsets, bands, seen quantity and kind for one batch."""
    batch = batch.to(device_of(model))
    with torch.no_grad():
        states, mask = towers.t5_states(batch.prompts)
    with mixed_precision(batch.segments.device):
        tokens = model.encoder.encode_segments(batch.segments)
        facts, kinds = model(model.steer(tokens.repeat_interleave(2, dim=0)[:, None], states, mask))
        answers = model.place_head(tokens)
    places, place_numbers = _place_losses(answers.float(), batch)
    loss, numbers = _facts_losses(facts.float(), batch.facts)
    naming = F.cross_entropy(kinds.float(), batch.kinds)
    numbers["kind_accuracy"] = (kinds.argmax(1) == batch.kinds).float().mean()
    numbers = {**numbers, "naming": naming, **place_numbers}
    return loss + 0.4 * naming + 0.5 * places, {
        name: float(value.detach()) for name, value in numbers.items()
    }


def compute_picture_losses(model: EncoderWithHead, batch: Batch) -> Losses:
    """Errors of the picture half alone."""
    batch = batch.to(device_of(model))
    with mixed_precision(batch.segments.device):
        answers = model.place_head(model.encoder.encode_segments(batch.segments))
    loss, numbers = _place_losses(answers.float(), batch)
    return loss, {name: float(value.detach()) for name, value in numbers.items()}


def _place_losses(answers: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """answers (S, T, P, num_kinds + 1 + 2 * NUM_FACTS)."""
    num_names = len(KINDS) + 1
    names = rearrange(answers[..., :num_names], "s t p k -> s p k t")
    wanted = batch.place_kinds[..., None].expand(-1, -1, names.shape[-1])
    naming = F.cross_entropy(rearrange(names, "s p k t -> (s p) k t"), rearrange(wanted, "s p t -> (s p) t"))
    is_thing = batch.place_kinds < len(KINDS)
    facts = rearrange(answers[..., num_names:], "s t p (f c) -> s p (t f) c", f=FRAMES_PER_FEATURE)
    loss, numbers = _facts_losses(facts[is_thing], batch.place_facts[is_thing])
    right = (names.argmax(2) == wanted).float()
    numbers = {f"place_{name}": value for name, value in numbers.items()}
    return loss + 2.0 * naming, {**numbers, "place_naming": naming, "place_accuracy": right[is_thing].mean()}


def _facts_losses(facts: Tensor, wanted: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """facts, wanted (B, 8, NUM_FACTS)."""
    onset = F.binary_cross_entropy_with_logits(facts[..., 0], wanted[..., 0].clamp(0, 1))
    seen = F.mse_loss(facts[..., 1], wanted[..., 1])
    bands = F.smooth_l1_loss(facts[..., 2:], wanted[..., 2:], beta=0.3)
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
    """Train the encoder; held-back scenes with held-back phrasings measure."""
    torch.manual_seed(settings.seed)
    model = EncoderWithHead(steering).to(training_device())
    towers = towers.to(training_device())
    folder = checkpoint.parent
    sampler = SegmentSampler(train, build_lesson(train, folder / "lesson-train.npy"), Phrasebook(corpus))
    exam_sampler = SegmentSampler(
        held_back, build_lesson(held_back, folder / "lesson-held-back.npy"), HeldBackPhrasebook()
    )
    exam_rng = np.random.default_rng(7)
    exam = [exam_sampler.draw(exam_rng, 64) for _ in range(6)]

    def compute_losses(step: int, rng: np.random.Generator) -> Losses:
        if step < PICTURE_ONLY_STEPS:
            return compute_picture_losses(model, sampler.draw(rng, NUM_PICTURES))
        return compute_lesson_losses(model, towers, sampler.draw(rng, NUM_PICTURES))

    def evaluate() -> dict[str, float]:
        rows = [compute_lesson_losses(model, towers, batch)[1] for batch in exam]
        return {f"exam_{name}": float(np.mean([row[name] for row in rows])) for name in rows[0]}

    run_loop(model, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return model
