"""Presence: fitted on the features of the finished encoder, on scenes with seeds of their own.

The scenes are drawn as for the encoder. In some of them a source is away for a while, and some pictures show nothing of the kind
at all. Prompts are those of training; held-back ones stay for evaluation.

Dimensions: T time steps, F features.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from selva_core.inference.evidence_track import whole_presence
from selva_core.inference.presence import (
    NUM_HIDDEN,
    PresenceModel,
    presence_features,
)
from selva_core.inference.tokenizer import load_tokenizer
from selva_core.models.catalog import default_models_dir, find_model, installed_files
from selva_core.network import Network, load_network
from selva_core.network.bridges import encode_clip
from selva_core.training.prompts import TRAINING
from selva_core.training.scenes.departures import (
    NUM_PLAIN_KINDS,
    Frames,
    draw_departure,
    draw_strange_picture,
)
from selva_core.training.scenes.scene import FRAMES_PER_SECOND, KINDS, build_scene
from selva_core.training.scenes.sounds import Rng

log = logging.getLogger(__name__)

FIT_SEED, VALIDATION_SEED = 950_000, 960_000
NUM_FIT_SCENES, NUM_VALIDATION_SCENES = 240, 80
NUM_STRANGE_PICTURES = 60
NUM_STEPS, BATCH_SIZE = 1500, 8192
PRESENT_WEIGHT = 3.0
"""Missing a source that is there costs a sound; three in four of a scene's prompts name sources that are not there."""
DURATION_S = 8.0


@dataclass(frozen=True)
class Example:
    """One prompt over one clip: features (T, F), and whether its source is in the picture, (T,) of 0 and 1."""

    kind: str
    features: Tensor
    is_there: Tensor


def fit_presence(path: Path) -> dict[str, float]:
    """Fit on the model that is installed, write `path`; returns the lowest presence of things that are there, the share of
    absent things below it, and the same where more of them may be lost, all on scenes that were not fitted.
    """
    files = installed_files(find_model("selva-nano"), default_models_dir())
    spec = find_model("selva-nano").spec
    if spec is None:
        raise ValueError("selva-nano has a network")
    prober = Prober(load_network(spec, files), files)
    examples = prober.collect(FIT_SEED, NUM_FIT_SCENES, with_strange=True)
    model = _fit(examples)
    save_file({name: getattr(model, name).contiguous() for name in model.__dataclass_fields__}, path)
    validation = prober.collect(VALIDATION_SEED, NUM_VALIDATION_SCENES, with_strange=False)
    return _measure(model, validation)


class Prober:
    """Runs the encoder of a model over scenes and prompts."""

    def __init__(self, network: Network, files: dict[str, Path]) -> None:
        self._network = network
        self._tokenizer = load_tokenizer(network.spec, files)
        self._states: dict[str, Tensor] = {}

    @torch.inference_mode()
    def collect(self, first_seed: int, num_scenes: int, *, with_strange: bool) -> list[Example]:
        """Examples of all kinds over each scene."""
        examples: list[Example] = []
        for index, (frames, present) in enumerate(_iter_scenes(first_seed, num_scenes)):
            rng = np.random.default_rng(first_seed + index)
            tokens = self._encode(frames)
            examples += [self._example(tokens, kind, present.get(kind), rng) for kind in KINDS]
            if (index + 1) % 20 == 0:
                log.info("probed %d of %d scenes", index + 1, num_scenes)
        if with_strange:
            for index in range(NUM_STRANGE_PICTURES):
                rng = np.random.default_rng([first_seed, index])
                tokens = self._encode(_strange_picture(rng))
                examples += [self._example(tokens, kind, None, rng) for kind in KINDS]
        return examples

    def _encode(self, frames: Frames) -> Tensor:
        pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0 - 0.5) / 0.5
        return encode_clip(self._network.video_encoder, pixels)

    def _example(
        self, tokens: Tensor, kind: str, is_drawn: npt.NDArray[np.bool_] | None, rng: Rng
    ) -> Example:
        """is_drawn: for each frame; None where the kind is nowhere."""
        states = self._t5_states(TRAINING[kind][int(rng.integers(len(TRAINING[kind])))])
        mask = torch.ones(states.shape[:2], dtype=torch.bool)
        sync, attention = self._network.video_encoder.steer_and_attend(tokens, states, mask)
        features = presence_features(sync[0], attention[0])
        is_there = torch.zeros(len(features))
        if is_drawn is not None:
            frames_per_step = self._network.spec.video_encoder.tubelet_frames
            whole = is_drawn[: len(features) * frames_per_step].reshape(-1, frames_per_step)
            is_there = torch.from_numpy(whole.all(axis=1).astype(np.float32))
        return Example(kind, features, is_there)

    def _t5_states(self, prompt: str) -> Tensor:
        if prompt not in self._states:
            ids = torch.tensor([self._tokenizer.tokenize(prompt).t5_ids])
            self._states[prompt] = self._network.t5(ids, torch.ones_like(ids))
        return self._states[prompt]


def _iter_scenes(
    first_seed: int, num_scenes: int
) -> Iterator[tuple[Frames, dict[str, npt.NDArray[np.bool_]]]]:
    """Frames of each scene, and for each kind in it the frames in which it is drawn. In one of three, a source leaves."""
    size_px = 48
    for seed in range(first_seed, first_seed + num_scenes):
        scene = build_scene(seed, duration_s=DURATION_S)
        frames = scene.draw(size_px)
        placed = (*scene.targets, *scene.idle)
        present = {each.source.kind: np.ones(len(frames), bool) for each in placed}
        if seed % 3 == 0:
            departure = draw_departure(scene, np.random.default_rng([seed, 7]), frames)
            frames = departure.frames
            present[departure.source.source.kind] = ~departure.is_away
        yield frames, present


def _strange_picture(rng: Rng) -> Frames:
    num_frames = round(DURATION_S * FRAMES_PER_SECOND)
    return draw_strange_picture(rng, num_frames=num_frames, size_px=48, num_kinds=NUM_PLAIN_KINDS)


def _fit(examples: list[Example]) -> PresenceModel:
    torch.manual_seed(0)
    features = torch.cat([example.features for example in examples])
    is_there = torch.cat([example.is_there for example in examples])
    mean, scale = features.mean(dim=0), features.std(dim=0) + 1e-6
    features = (features - mean) / scale
    first, last = nn.Linear(features.shape[1], NUM_HIDDEN), nn.Linear(NUM_HIDDEN, 1)
    net = nn.Sequential(first, nn.GELU(), last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, NUM_STEPS)
    weight = torch.where(is_there > 0, PRESENT_WEIGHT, 1.0)
    for step in range(NUM_STEPS):
        rows = torch.randint(len(features), (BATCH_SIZE,))
        noisy = features[rows] + 0.1 * torch.randn(BATCH_SIZE, features.shape[1])
        loss = F.binary_cross_entropy_with_logits(net(noisy)[:, 0], is_there[rows], weight=weight[rows])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if (step + 1) % 250 == 0:
            log.info("step %d: loss %.4f", step + 1, float(loss.detach()))
    with torch.no_grad():
        hidden_weight = first.weight / scale
        return PresenceModel(
            hidden_weight=hidden_weight.detach(),
            hidden_bias=(first.bias - hidden_weight @ mean).detach(),
            score_weight=last.weight[0].detach().clone(),
            score_bias=last.bias[0].detach().clone(),
        )


@torch.inference_mode()
def _measure(model: PresenceModel, examples: list[Example]) -> dict[str, float]:
    def whole(example: Example) -> float:
        return whole_presence(model.presence(example.features).tolist(), steps_per_s=12.5)

    present = np.asarray([whole(each) for each in examples if each.is_there.mean() > 0.2])
    absent = np.asarray([whole(each) for each in examples if not each.is_there.any()])
    report = {"num_present": float(present.size), "num_absent": float(absent.size)}
    for share in (0.0, 0.005, 0.01, 0.02):
        threshold = float(np.quantile(present, share))
        report[f"threshold_losing_{share}"] = threshold
        report[f"absent_below_{share}"] = float((absent < threshold).mean())
    return report
