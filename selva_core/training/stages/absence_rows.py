"""The rows that the generator learns silence from: prompts over clips, where each is silent, and what it makes of the others.

Dimensions: R rows, S segments, N latents, C channels, B batch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from selva_core.inference.tokenizer import load_tokenizer
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network import Generator, Network
from selva_core.network.bridges import encode_clip
from selva_core.training.evaluation import measures
from selva_core.training.scenes.departures import draw_departure, draw_strange_picture
from selva_core.training.scenes.scene import KINDS, build_scene
from selva_core.training.scenes.sounds import Rng
from selva_core.training.stages.dataset import DURATION_S, FRAME_SIZE_PX, NUM_FRAMES
from selva_core.training.stages.encoder import Phrasebook
from selva_core.training.stages.generator import (
    FEATURES_PER_SEGMENT,
    LATENTS_PER_SEGMENT,
    NUM_SEGMENTS,
    build_conditions,
)

log = logging.getLogger(__name__)

STRANGE_PICTURES_PER_SCENE = 0.2
NUM_ABSENT_KINDS, NUM_STRANGE_KINDS = 3, 3
NUM_STEPS_OF_SAMPLES = 4
NO_ROW = -1
ALL_SILENT = np.ones(NUM_SEGMENTS * LATENTS_PER_SEGMENT, bool)
REST_LEVEL, REST_MARGIN_S = 0.006, 0.12
"""Below that share of its loudest moment, and that far from any above it, a source is silent (-44 dB)."""
QUIETEST_SHARE = 0.02
_ARRAYS = ("features", "own", "is_silent", "latents", "silence")


@dataclass(frozen=True)
class Rows:
    """Prompts over clips of 8 s.

    features: float16 (R, 100, 96). groups: of each row: present, leaving, absent, strange (a picture unlike any scene) or still.
    own: of each row, that of `latents` and of `features` which have its sound and the picture with its source all the time,
    NO_ROW for silent ones. latents: float16 (R, 250, C), normalised, made by the generator itself; only rows named by `own` have
    some. is_silent: bool (R, 250). silence: (C,).
    """

    features: npt.NDArray[np.float16]
    prompts: tuple[str, ...]
    groups: tuple[str, ...]
    own: npt.NDArray[np.int64]
    is_silent: npt.NDArray[np.bool_]
    latents: npt.NDArray[np.float16]
    silence: npt.NDArray[np.float32]

    def of_group(self, group: str) -> npt.NDArray[np.int64]:
        """The indices of the rows of a group."""
        return np.flatnonzero(np.asarray(self.groups) == group)


@dataclass(frozen=True)
class _Row:
    prompt: str
    group: str
    features: Tensor
    is_silent: npt.NDArray[np.bool_]
    own: int = NO_ROW


class RowBuilder:
    """Runs the finished model over scenes and prompts."""

    def __init__(self, network: Network, files: Mapping[str, Path], phrasebook: Phrasebook) -> None:
        self._network = network
        self._tokenizer = load_tokenizer(network.spec, files)
        self._phrasebook = phrasebook
        self._clip_states: dict[str, Tensor] = {}

    @torch.inference_mode()
    def build(self, first_seed: int, num_scenes: int) -> Rows:
        """Rows of all groups over `num_scenes` scenes from `first_seed` on, and pictures unlike any."""
        rows: list[_Row] = []
        for index in range(num_scenes):
            self._add_scene(rows, first_seed + index)
            if (index + 1) % 20 == 0:
                log.info("read %d of %d scenes", index + 1, num_scenes)
        for index in range(round(num_scenes * STRANGE_PICTURES_PER_SCENE)):
            rng = np.random.default_rng([first_seed, index])
            frames = draw_strange_picture(rng, num_frames=NUM_FRAMES, size_px=FRAME_SIZE_PX)
            tokens = self._encode(frames)
            kinds = rng.choice(KINDS, NUM_STRANGE_KINDS, replace=False)
            rows += [self._silent_row(tokens, "strange", str(kind), rng) for kind in kinds]
        latents = self._sample_own(rows)
        return Rows(
            features=np.stack([np.asarray(row.features, np.float16) for row in rows]),
            prompts=tuple(row.prompt for row in rows),
            groups=tuple(row.group for row in rows),
            own=np.asarray([row.own for row in rows]),
            is_silent=np.stack([row.is_silent for row in rows]),
            latents=latents,
            silence=self._find_silence(latents[[row.own == index for index, row in enumerate(rows)]]),
        )

    def text(self, prompts: Sequence[str]) -> Tensor:
        """Normalised CLIP token states (B, L, D), as the generator takes them."""
        for prompt in prompts:
            if prompt not in self._clip_states:
                ids = torch.tensor([self._tokenizer.tokenize(prompt).clip_ids])
                with torch.no_grad():
                    self._clip_states[prompt] = self._network.clip_text(ids)
        return torch.cat([self._clip_states[prompt] for prompt in prompts]).clone()

    def _add_scene(self, rows: list[_Row], seed: int) -> None:
        scene, rng = build_scene(seed, duration_s=DURATION_S), np.random.default_rng([seed, 17])
        frames = scene.draw(FRAME_SIZE_PX)
        tokens = self._encode(frames)
        departure = draw_departure(scene, rng, frames) if seed % 3 == 0 else None
        for placed in scene.targets:
            source, own = placed.source, len(rows)
            prompt = self._phrasebook.choose(rng, source.kind, source.detail)
            rests = find_rests(source.sound)
            rows.append(_Row(prompt, "present", self._steer(tokens, prompt), rests, own))
            if departure is not None and departure.source is placed:
                features = self._steer(self._encode(departure.frames), prompt)
                is_away = _at_latents(departure.is_away)
                rows.append(_Row(prompt, "leaving", features, rests | is_away, own))
        rows += [self._silent_row(tokens, "still", placed.source.kind, rng) for placed in scene.idle]
        shown = {placed.source.kind for placed in (*scene.targets, *scene.idle)}
        others = [kind for kind in KINDS if kind not in shown]
        absent = rng.choice(others, NUM_ABSENT_KINDS, replace=False)
        rows += [self._silent_row(tokens, "absent", str(kind), rng) for kind in absent]

    def _silent_row(self, tokens: Tensor, group: str, kind: str, rng: Rng) -> _Row:
        prompt = self._phrasebook.choose(rng, kind, "")
        return _Row(prompt, group, self._steer(tokens, prompt), ALL_SILENT)

    def _encode(self, frames: npt.NDArray[np.uint8]) -> Tensor:
        pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5
        return encode_clip(self._network.video_encoder, pixels)

    def _steer(self, tokens: Tensor, prompt: str) -> Tensor:
        ids = torch.tensor([self._tokenizer.tokenize(prompt).t5_ids])
        states = self._network.t5(ids, torch.ones_like(ids))
        mask = torch.ones(states.shape[:2], dtype=torch.bool)
        return self._network.video_encoder.steer_and_attend(tokens, states, mask)[0][0]

    def _sample_own(self, rows: Sequence[_Row]) -> npt.NDArray[np.float16]:
        """What the generator makes of each row that others name as theirs; zeros elsewhere."""
        latents = np.zeros((len(rows), NUM_SEGMENTS * LATENTS_PER_SEGMENT, _channels()), np.float16)
        wanted = [index for index, row in enumerate(rows) if row.own == index]
        for start in range(0, len(wanted), 8):
            part = wanted[start : start + 8]
            features = torch.stack([rows[index].features for index in part])
            text = self.text([rows[index].prompt for index in part])
            made = sample(self._network.generator, text=text, features=features, seed=start)
            latents[part] = np.asarray(made, np.float16)
            if start % 160 == 0:
                log.info("sampled %d of %d sounds", start, len(wanted))
        return latents

    def _find_silence(self, latents: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        """The median of the latents, normalised (C,), at the quietest moments of the generator's own sounds."""
        own = torch.from_numpy(latents.astype(np.float32))
        levels = torch.cat([self._levels(own[start : start + 16]) for start in range(0, len(own), 16)])
        is_quiet = levels <= levels.flatten().quantile(QUIETEST_SHARE)
        return np.asarray(own[is_quiet].median(dim=0).values, np.float32)

    def _levels(self, latents: Tensor) -> Tensor:
        """Normalised latents (B, N, C) -> the mean of the mel at each, (B, N)."""
        mel = self._network.vae.decode(self._network.generator.unnormalize(latents))
        return F.adaptive_avg_pool1d(mel.mean(dim=1), latents.shape[1])


def _channels() -> int:
    return NANO_SPEC.generator.latent_channels


def find_rests(sound: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Dry sound of 8 s -> (N,): of each latent, whether nothing is heard in it and around it."""
    level = measures.level_curve(sound)
    reach = round(REST_MARGIN_S / measures.HOP_S)
    is_heard = level > REST_LEVEL * max(float(level.max()), 1e-3)
    is_near = np.convolve(is_heard, np.ones(2 * reach + 1), mode="same") > 0.5
    return ~_at_latents(is_near)


def _at_latents(values: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Values over 8 s at any rate -> (N,): of each latent, that at its middle."""
    num_latents = NUM_SEGMENTS * LATENTS_PER_SEGMENT
    indices = ((np.arange(num_latents) + 0.5) * values.size / num_latents).astype(int)
    return np.asarray(values[indices], bool)


@torch.no_grad()
def sample(
    generator: Generator,
    *,
    text: Tensor,
    features: Tensor,
    seed: int,
    num_steps: int = NUM_STEPS_OF_SAMPLES,
) -> Tensor:
    """Normalised latents (B, N, C) with the model's own guidance, as the product makes them."""
    num_latents = features.shape[1] // FEATURES_PER_SEGMENT * LATENTS_PER_SEGMENT
    conditions = build_conditions(generator, text=text, features=features, num_latents=num_latents)
    every = np.ones((2, len(features)), bool)
    null = build_conditions(generator, text=text, features=features, num_latents=num_latents, drop=every)
    guidance = NANO_SPEC.usual_guidance
    x = torch.randn(len(features), num_latents, _channels(), generator=torch.Generator().manual_seed(seed))
    for step in range(num_steps):
        time = torch.tensor(step / num_steps)
        away = generator.flow(x, time, null)
        x = x + (away + guidance * (generator.flow(x, time, conditions) - away)) / num_steps
    return x


def load_or_build_rows(builder: RowBuilder, path: Path, first_seed: int, num_scenes: int) -> Rows:
    """The rows stored at `path` (a .npz with a .json beside it), else those of `num_scenes` scenes, which are stored there."""
    if not path.with_suffix(".npz").exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = builder.build(first_seed, num_scenes)
        names = json.dumps([rows.prompts, rows.groups])
        path.with_suffix(".json").write_text(names, encoding="utf-8")
        arrays = {name: getattr(rows, name) for name in _ARRAYS}
        np.savez(path.with_suffix(".npz"), **arrays)
    prompts, groups = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    with np.load(path.with_suffix(".npz")) as stored:
        return Rows(prompts=tuple(prompts), groups=tuple(groups), **{name: stored[name] for name in _ARRAYS})
