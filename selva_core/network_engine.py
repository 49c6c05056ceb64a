"""The SelVA network as an engine: one picture and several prompts in, one waveform per prompt out."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from selva_core.batching import BatchLimit
from selva_core.device import DeviceChoice
from selva_core.engine import (
    FeatureStore,
    PictureRange,
    RenderProgress,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.kept_features import KeptTokens
from selva_core.known_prompts import KnownPrompts
from selva_core.models import Model
from selva_core.network import Network
from selva_core.picture_tokens import PictureTokens
from selva_core.prompt_tokens import PromptTokenizer, TokenizedPrompt
from selva_core.render_meter import PROMPT_COST, SEGMENT_COST, SOUND_COST, STEP_COST, RenderMeter
from selva_core.sampler import draw_noise, integrate, tie_windows
from selva_core.sound_decoder import VOCODER_BLOCKS_TOGETHER, decode_sound
from selva_core.stem_flow import StemConditions, StemFlow
from selva_core.windows import WindowPlan, plan_windows

_CPU_BATCH, _GPU_BATCH = 4, 32


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """All that rendering needs of a model.

    weights_sha256: over all its files. notices: for every result. known_prompts: of a model that knows only a
    few things.
    """

    model: Model
    network: Network
    tokenizer: PromptTokenizer
    choice: DeviceChoice
    weights_sha256: str
    notices: tuple[str, ...] = ()
    known_prompts: KnownPrompts | None = None


class NetworkEngine:
    """Renders stems with one model on one device; for one thread at a time.

    On the CPU every stem is sampled by itself: its samples are the same to the last bit whatever else is
    rendered with it. On a GPU stems share batches, and kernels chosen by batch size may change the last bits.
    """

    def __init__(self, loaded: LoadedModel, *, features: FeatureStore | None = None) -> None:
        self._loaded = loaded
        self._network = loaded.network
        on_cpu = loaded.network.device.type == "cpu"
        self._batch_across_stems = not on_cpu
        batch = _CPU_BATCH if on_cpu else _GPU_BATCH
        self._flow_limit = BatchLimit(batch)
        self._sound_limit = BatchLimit(VOCODER_BLOCKS_TOGETHER)
        self._pictures = PictureTokens(
            loaded.network, batch_segments=batch, kept=None if features is None else _kept(loaded, features)
        )

    @property
    def model_id(self) -> str:
        return self._loaded.model.model_id

    @property
    def weights_sha256(self) -> str:
        return self._loaded.weights_sha256

    @property
    def licence(self) -> str:
        return " ".join(self._loaded.model.licences)

    @property
    def device_report(self) -> str:
        return self._loaded.choice.reason

    @property
    def notices(self) -> tuple[str, ...]:
        return self._loaded.notices

    @torch.inference_mode()
    def render(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        *,
        settings: SamplingSettings,
        on_progress: Callable[[RenderProgress], None],
        is_cancelled: Callable[[], bool],
    ) -> list[Waveform]:
        """Render all requests over the same picture; see `selva_core.engine.Engine.render`."""
        if not requests:
            return []
        plan = plan_windows(self._network.spec, picture.duration_s)
        has_picture = self._pictures.has(picture, plan.num_segments)
        num_runs = len(requests) * len(plan.windows)
        meter = RenderMeter(
            {
                "picture": 0.0 if has_picture else plan.num_segments * SEGMENT_COST,
                "text": len(requests) * PROMPT_COST,
                "sampling": num_runs * settings.num_steps * STEP_COST,
                "sound": num_runs * SOUND_COST,
            },
            on_progress=on_progress,
            is_cancelled=is_cancelled,
        )
        prompts = {
            text: self._loaded.tokenizer.tokenize(text)
            for request in requests
            for text in (request.prompt, request.negative_prompt)
        }
        stems = self._read_conditions(picture, requests, prompts, plan, meter)
        latents = self._sample(requests, stems, plan, settings, meter)
        num_samples = math.floor(picture.duration_s * self._network.spec.sample_rate_hz + Fraction(1, 2))
        return [
            self._decode(
                stem_latents, num_samples, prompts[request.prompt], meter, SOUND_COST * len(plan.windows)
            )
            for stem_latents, request in zip(latents, requests, strict=True)
        ]

    def close(self) -> None:
        """Give the device's memory back; the engine cannot render afterwards."""
        self._pictures.forget()
        for part in self._network.parts().values():
            part.to("meta")
        gc.collect()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _read_conditions(
        self,
        picture: PictureRange,
        requests: Sequence[StemRequest],
        prompts: Mapping[str, TokenizedPrompt],
        plan: WindowPlan,
        meter: RenderMeter,
    ) -> list[StemConditions]:
        heard = list(dict.fromkeys(request.prompt for request in requests))
        sync = self._watch(picture, {prompt: prompts[prompt] for prompt in heard}, plan, meter)
        text = {prompt: self._clip_states(tokens) for prompt, tokens in prompts.items() if prompt.strip()}
        meter.finish("text")
        return [
            StemConditions(
                sync=sync[request.prompt],
                text=text[request.prompt],
                negative_text=text.get(request.negative_prompt),
            )
            for request in requests
        ]

    def _watch(
        self,
        picture: PictureRange,
        prompts: Mapping[str, TokenizedPrompt],
        plan: WindowPlan,
        meter: RenderMeter,
    ) -> dict[str, Tensor]:
        """What each prompt makes of the picture: sync features (1, S * T, D) over the whole clip."""
        states = {prompt: self._t5_states(tokens) for prompt, tokens in prompts.items()}
        seen: dict[str, list[Tensor]] = {prompt: [] for prompt in prompts}
        for tokens in self._pictures.iter_chunks(picture, plan.num_segments, check=meter.check):
            for prompt, text_states in states.items():
                mask = torch.ones(text_states.shape[:2], dtype=torch.bool, device=text_states.device)
                seen[prompt].append(self._network.video_encoder.steer(tokens, text_states, mask))
            meter.spend("picture", tokens.shape[0] * SEGMENT_COST)
        meter.finish("picture")
        return {prompt: torch.cat(features, dim=1) for prompt, features in seen.items()}

    def _t5_states(self, tokens: TokenizedPrompt) -> Tensor:
        ids = torch.tensor([tokens.t5_ids], device=self._network.device)
        states: Tensor = self._network.t5(ids, torch.ones_like(ids))
        return states

    def _clip_states(self, tokens: TokenizedPrompt) -> Tensor:
        states: Tensor = self._network.clip_text(torch.tensor([tokens.clip_ids], device=self._network.device))
        return states

    def _sample(
        self,
        requests: Sequence[StemRequest],
        stems: Sequence[StemConditions],
        plan: WindowPlan,
        settings: SamplingSettings,
        meter: RenderMeter,
    ) -> Tensor:
        """Latents (R, N, C) as the VAE knows them."""
        generator = self._network.generator
        flow = StemFlow(
            generator,
            plan,
            stems,
            guidance=self._network.spec.own_guidance(settings.guidance),
            limit=self._flow_limit,
            batch_across_stems=self._batch_across_stems,
            check=meter.check,
        )
        channels = generator.spec.latent_channels
        noise = torch.stack([draw_noise(request.seed, plan.num_latents, channels) for request in requests])
        step_cost = STEP_COST * len(requests) * len(plan.windows)
        latents = integrate(
            tie_windows(flow, plan.windows),
            noise.to(self._network.device),
            num_steps=settings.num_steps,
            on_step=lambda step: meter.spend("sampling", step_cost, step=step, num_steps=settings.num_steps),
        )
        return _held_at_start(generator.unnormalize(latents), self._network.spec.num_start_latents_held)

    def _decode(
        self, latents: Tensor, num_samples: int, prompt: TokenizedPrompt, meter: RenderMeter, cost: float
    ) -> Waveform:
        wave = decode_sound(self._network, latents, limit=self._sound_limit, check=meter.check)
        samples = np.zeros(num_samples, dtype=np.float32)
        samples[: len(wave)] = wave[:num_samples].numpy()
        meter.spend("sound", cost)
        return Waveform(
            samples=samples,
            sample_rate_hz=self._network.spec.sample_rate_hz,
            warnings=tuple(self._warnings_about(prompt)),
        )

    def _warnings_about(self, prompt: TokenizedPrompt) -> Iterable[str]:
        if prompt.num_pieces > prompt.num_read:
            yield (
                f"the prompt is too long: the model reads the first {prompt.num_read} of its {prompt.num_pieces} "
                "pieces of text"
            )
        known_prompts = self._loaded.known_prompts
        if known_prompts is not None and not known_prompts.is_known(self._t5_states(prompt)):
            yield (
                f"{self.model_id} was not trained for this prompt, and may make no sound or another one; "
                "a published model knows more: see `selva models list` and `selva models pull`"
            )


def _kept(loaded: LoadedModel, features: FeatureStore) -> KeptTokens:
    network = loaded.network
    return KeptTokens(features, maker=f"{loaded.weights_sha256} {network.device.type} {network.dtype}")


def _held_at_start(latents: Tensor, num_held: int) -> Tensor:
    """latents (R, N, C) with the first `num_held` replaced by the one after them; too short ones stay as they are."""
    if not 0 < num_held < latents.shape[1]:
        return latents
    return torch.cat(
        [latents[:, num_held : num_held + 1].expand(-1, num_held, -1), latents[:, num_held:]], dim=1
    )
