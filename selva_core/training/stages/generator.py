"""Stage 4: the flow-matching generator, on cached latents and the frozen encoder's features.

It is trained on scenes that the encoder was not trained on: on its own training scenes the encoder's features are more certain
than on any others, and a generator that has only seen such features follows every error of the encoder.

Conditional flow matching (arXiv 2210.02747): from noise x0 to latents x1 along straight lines, times drawn logit-normal
(arXiv 2403.03206), video and text randomly dropped for classifier-free guidance (arXiv 2207.12598). Excerpts of many lengths
are cut at segment boundaries, so that clips of any length are in the training set.

Guided sampling overshoots where the condition determines nearly everything, as it does in drawn scenes. The guidance of the
published models (4.5) is far too much here; so validation samples with several values, and nano's own is in its spec.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from selva_core.base.atomic_write import replace_patiently
from selva_core.inference.sampler import guide, integrate
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.generator import Conditions, Generator
from selva_core.network.mel import MelSpectrogram
from selva_core.network.vae import Vae
from selva_core.training.stages.dataset import SceneSet, Target
from selva_core.training.stages.encoder import EncoderWithHead, Phrasebook, frames_to_tensor
from selva_core.training.stages.loop import (
    LoopSettings,
    Losses,
    device_of,
    mixed_precision,
    run_loop,
    training_device,
)
from selva_core.training.stages.text import TextTowers
from selva_core.training.stages.vae import MARGIN_LATENTS

log = logging.getLogger(__name__)

LATENTS_PER_SEGMENT = 10
FEATURES_PER_SEGMENT = NANO_SPEC.generator.num_sync_per_segment
NUM_SEGMENTS = 25
SEGMENTS_PER_BATCH = 200
SILENT_SHARE = 0.06
VALIDATION_GUIDANCES = (1.0, 1.5, 2.5)
SETTINGS = LoopSettings(num_steps=2600, learning_rate=1.5e-3, average_decay=0.998, save_every=400)


@dataclass(frozen=True)
class Cache:
    """The training set of the generator, computed once by the frozen stages.

    latents: float16 (num_sounds + 1, 250, C), the last row is silence; features: float16 (num_rows, 100, 96), one row per
    source and phrasing; prompts, sound_rows: of each row, the prompt and the row of `latents`.
    """

    latents: npt.NDArray[np.float16]
    features: npt.NDArray[np.float16]
    prompts: tuple[str, ...]
    sound_rows: npt.NDArray[np.int64]


def build_latents(scenes: SceneSet, vae: Vae) -> npt.NDArray[np.float16]:
    """Latents of all dry sounds and, last, of silence; encoded with silence around them, which is then cut off."""
    device = device_of(vae)
    mel_of = MelSpectrogram(NANO_SPEC.mel).to(device)
    margin = MARGIN_LATENTS * NANO_SPEC.latent_hop_samples
    rows: list[npt.NDArray[np.float16]] = []
    waves = [scenes.sounds[start : start + 32] for start in range(0, scenes.sounds.shape[0], 32)]
    for part in [*waves, np.zeros((1, scenes.sounds.shape[1]), np.int16)]:
        wave = F.pad(torch.from_numpy(np.asarray(part, np.float32) / 32767), (margin, margin)).to(device)
        with torch.no_grad():
            mean = vae.encode(mel_of(wave)).mean[:, MARGIN_LATENTS:-MARGIN_LATENTS]
        rows.append(mean.cpu().numpy().astype(np.float16))
    return np.concatenate(rows)


def build_cache(  # noqa: PLR0917 - all that was trained before
    scenes: SceneSet,
    vae: Vae,
    model: EncoderWithHead,
    towers: TextTowers,
    phrasebook: Phrasebook,
    folder: Path,
) -> Cache:
    """Latents and steered features of every source, computed once and stored in `folder`."""
    for module in (vae, model, towers):
        module.to(training_device())
    latents_path, features_path = folder / "latents.npy", folder / "features.npy"
    folder.mkdir(parents=True, exist_ok=True)
    if not latents_path.exists():
        np.save(latents_path, build_latents(scenes, vae))
    rows = _rows(scenes, phrasebook)
    if not features_path.exists():
        _save_features(scenes, rows, model, towers, features_path)
    return Cache(
        latents=np.load(latents_path, mmap_mode="r"),
        features=np.load(features_path, mmap_mode="r"),
        prompts=tuple(prompt for _, prompt in rows),
        sound_rows=np.asarray([target.sound_index for target, _ in rows]),
    )


def _rows(scenes: SceneSet, phrasebook: Phrasebook) -> list[tuple[Target, str]]:
    rng = np.random.default_rng(11)
    return [(target, phrasebook.choose(rng, target.kind, target.detail)) for target in scenes.targets]


def _save_features(
    scenes: SceneSet, rows: list[tuple[Target, str]], model: EncoderWithHead, towers: TextTowers, path: Path
) -> None:
    shape = (len(rows), NUM_SEGMENTS * FEATURES_PER_SEGMENT, NANO_SPEC.video_encoder.width)
    temporary = path.with_suffix(".partial.npy")
    features = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
    by_scene: dict[int, list[int]] = {}
    for index, (target, _) in enumerate(rows):
        by_scene.setdefault(target.scene_index, []).append(index)
    for scene, indices in by_scene.items():
        frames = frames_to_tensor(np.asarray(scenes.frames[scene])).to(device_of(model))
        with torch.no_grad():
            tokens = model.encoder.encode_segments(
                rearrange(frames, "(s f) c y x -> s f c y x", s=NUM_SEGMENTS)
            )
            states, mask = towers.t5_states([rows[i][1] for i in indices])
            steered = model.steer(tokens[None].expand(len(indices), -1, -1, -1, -1), states, mask)
        features[indices] = steered.cpu().numpy().astype(np.float16)
    features.flush()
    replace_patiently(temporary, path)


@dataclass(frozen=True)
class Batch:
    """Latents (B, N, C), features (B, 4 S, 96) and prompts of excerpts of one length."""

    latents: Tensor
    features: Tensor
    prompts: list[str]


def draw_batch(cache: Cache, rng: np.random.Generator) -> Batch:
    """Excerpts of one random length; half of the batches have the full 8 s."""
    num_segments = NUM_SEGMENTS if rng.random() < 0.5 else int(rng.integers(4, NUM_SEGMENTS))
    batch_size = SEGMENTS_PER_BATCH // num_segments
    sounding = np.flatnonzero(cache.sound_rows >= 0)
    silent = np.flatnonzero(cache.sound_rows < 0)
    is_silent = rng.random(batch_size) < SILENT_SHARE
    rows = np.where(is_silent, rng.choice(silent, batch_size), rng.choice(sounding, batch_size))
    latents, features = [], []
    for row in rows:
        start = int(rng.integers(NUM_SEGMENTS - num_segments + 1))
        latents.append(_cut(cache.latents[cache.sound_rows[row]], start, num_segments, LATENTS_PER_SEGMENT))
        features.append(_cut(cache.features[row], start, num_segments, FEATURES_PER_SEGMENT))
    return Batch(
        torch.from_numpy(np.stack(latents)),
        torch.from_numpy(np.stack(features)),
        [cache.prompts[r] for r in rows],
    )


def _cut(
    values: npt.NDArray[np.float16], start: int, num_segments: int, per_segment: int
) -> npt.NDArray[np.float32]:
    return values[start * per_segment : (start + num_segments) * per_segment].astype(np.float32)


def build_conditions(
    generator: Generator,
    *,
    text: Tensor,
    features: Tensor,
    num_latents: int,
    drop: npt.NDArray[np.bool_] | None = None,
) -> Conditions:
    """Conditions of a batch; where `drop` (2, B) is true, video (first row) and text (second row) are dropped."""
    if drop is not None:
        no_video, no_text = torch.from_numpy(drop).to(features.device)[..., None, None]
        features = torch.where(no_video, generator.empty_sync_feat, features)
        text = torch.where(no_text, generator.empty_string_feat, text)
    seconds = num_latents * NANO_SPEC.latent_hop_samples / NANO_SPEC.sample_rate_hz
    return generator.prepare_conditions(
        text=text,
        sync=features,
        num_clip_frames=max(int(seconds * NANO_SPEC.clip_rate_hz), 1),
        num_latents=num_latents,
    )


def compute_flow_losses(
    generator: Generator, towers: TextTowers, batch: Batch, rng: np.random.Generator
) -> Losses:
    """Squared error of the velocity for one batch."""
    device = device_of(generator)
    x1 = generator.normalize(batch.latents.to(device))
    size, num_latents = x1.shape[:2]
    t = torch.sigmoid(torch.randn(size, device=device))
    x0 = torch.randn_like(x1)
    x = torch.lerp(x0, x1, t[:, None, None])
    with torch.no_grad():
        text = towers.clip_states(batch.prompts)
    chance = rng.random(size)
    drop = np.stack([chance < 0.12, chance < 0.09])
    with mixed_precision(device):
        conditions = build_conditions(
            generator, text=text, features=batch.features.to(device), num_latents=num_latents, drop=drop
        )
        velocity = generator.flow(x, t, conditions)
    return F.mse_loss(velocity.float(), x1 - x0), {}


def train_generator(
    cache: Cache,
    validation_cache: Cache,
    towers: TextTowers,
    vae: Vae,
    checkpoint: Path,
    *,
    settings: LoopSettings = SETTINGS,
    start_from: Path | None = None,
) -> Generator:
    """Train the generator; validation samples held-back scenes and compares levels over time with those of the dry sounds."""
    torch.manual_seed(settings.seed)
    generator = Generator(NANO_SPEC.generator)
    sample = np.asarray(cache.latents[:: max(len(cache.latents) // 500, 1)], np.float32)
    generator.latent_mean.copy_(torch.from_numpy(sample.mean(axis=(0, 1)))[None, None])
    generator.latent_std.copy_(torch.from_numpy(sample.std(axis=(0, 1)))[None, None])
    if start_from is not None:
        generator.load_state_dict(torch.load(start_from, map_location="cpu", weights_only=True)["average"])
    for module in (generator, towers, vae):
        module.to(training_device())

    def compute_losses(_: int, rng: np.random.Generator) -> Losses:
        return compute_flow_losses(generator, towers, draw_batch(cache, rng), rng)

    def evaluate() -> dict[str, float]:
        scores: dict[str, float] = {}
        for guidance in VALIDATION_GUIDANCES:
            for name, value in validate(generator, towers, vae, validation_cache, guidance=guidance).items():
                scores[f"{name}_g{guidance:g}"] = value
        return scores

    run_loop(generator, compute_losses, checkpoint=checkpoint, settings=settings, evaluate=evaluate)
    return generator


def sample_latents(
    generator: Generator,
    towers: TextTowers,
    features: Tensor,
    prompts: list[str],
    *,
    guidance: float,
    num_steps: int,
) -> Tensor:
    """Latents (B, N, C) of the VAE, sampled as in the product."""
    num_latents = features.shape[1] // FEATURES_PER_SEGMENT * LATENTS_PER_SEGMENT
    device = device_of(generator)
    text, features = towers.clip_states(prompts), features.to(device)
    conditions = build_conditions(generator, text=text, features=features, num_latents=num_latents)
    every = np.ones((2, len(prompts)), bool)
    null = build_conditions(generator, text=text, features=features, num_latents=num_latents, drop=every)

    def flow(x: Tensor, t: float) -> Tensor:
        time = torch.tensor(t, device=device)
        conditional = generator.flow(x, time, conditions)
        return conditional if guidance == 1.0 else guide(conditional, generator.flow(x, time, null), guidance)

    noise = torch.randn(
        len(prompts),
        num_latents,
        NANO_SPEC.generator.latent_channels,
        generator=torch.Generator().manual_seed(5),
    )
    return generator.unnormalize(integrate(flow, noise.to(device), num_steps=num_steps))


def validate(
    generator: Generator,
    towers: TextTowers,
    vae: Vae,
    cache: Cache,
    *,
    guidance: float,
    num_sources: int = 10,
) -> dict[str, float]:
    """Mel error (log10) and correlation of level over time, against the dry sounds of the first sources of `cache`."""
    rows = np.flatnonzero(cache.sound_rows >= 0)[:num_sources]
    features = torch.from_numpy(np.asarray(cache.features[rows], np.float32))
    latents = sample_latents(
        generator, towers, features, [cache.prompts[r] for r in rows], guidance=guidance, num_steps=12
    )
    generated = vae.decode(latents)
    true_latents = torch.from_numpy(np.asarray(cache.latents[cache.sound_rows[rows]], np.float32))
    expected = vae.decode(true_latents.to(device_of(vae)))
    levels = [(10.0**mel).mean(dim=1).log10() for mel in (generated, expected)]
    centred = [level - level.mean(dim=1, keepdim=True) for level in levels]
    similarity = F.cosine_similarity(centred[0], centred[1], dim=1)
    return {
        "mel_error": float((generated - expected).abs().mean()),
        "level_correlation": float(similarity.mean()),
        "level_offset": float((levels[0] - levels[1]).mean()),
    }
