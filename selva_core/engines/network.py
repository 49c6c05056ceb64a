"""The SelVA network as an engine: one picture and several prompts in, one waveform per prompt out."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.audio.sample_buffer import collect_samples
from selva_core.base.errors import RenderCancelled, SelvaError
from selva_core.base.media import PictureRange
from selva_core.engine import (
    BatchRequest,
    FeatureStore,
    RenderProgress,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.batch import BatchItem, RenderBatch, common_duration_s, render_alone
from selva_core.inference.audio_decoder import CPU_BLOCKS_TOGETHER, GPU_BLOCKS_TOGETHER, iter_sound
from selva_core.inference.batching import BatchLimit, memory_of, translate_out_of_memory
from selva_core.inference.device import DeviceChoice
from selva_core.inference.guided_velocity import GuidedVelocity, StemConditions
from selva_core.inference.progress import PROMPT_COST, SEGMENT_COST, SOUND_COST, STEP_COST, Stage
from selva_core.inference.prompt_coverage import PromptCoverage
from selva_core.inference.sampler import draw_noise, integrate, tie_windows
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.inference.token_encoder import VideoTokenEncoder
from selva_core.inference.tokenizer import PromptTokenizer, TokenizedPrompt
from selva_core.inference.windows import WindowPlan, plan_windows
from selva_core.models.catalog import Model
from selva_core.network import Network

_CPU_BATCH, _GPU_BATCH = 4, 32
_PICTURES_TOGETHER = 8


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
    known_prompts: PromptCoverage | None = None


class NetworkEngine:
    """Renders stems with one model on one device; for one thread at a time.

    On the CPU every stem is sampled by itself: its samples are the same to the last bit whatever else is
    rendered with it. On a GPU stems share batches, also those of several pictures, and kernels chosen by
    batch size may change the last bits.
    """

    def __init__(self, loaded: LoadedModel, *, features: FeatureStore | None = None) -> None:
        self._loaded = loaded
        self._network = loaded.network
        on_cpu = loaded.network.device.type == "cpu"
        self._batch_across_stems = not on_cpu
        batch = _CPU_BATCH if on_cpu else _GPU_BATCH
        self._flow_limit = BatchLimit(batch, memory=memory_of(loaded.network.device))
        self._sound_limit = BatchLimit(CPU_BLOCKS_TOGETHER if on_cpu else GPU_BLOCKS_TOGETHER)
        self._pictures = VideoTokenEncoder(
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

    @property
    def max_batch_pictures(self) -> int:
        return _PICTURES_TOGETHER if self._batch_across_stems else 1

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
        return render_alone(
            self, picture, requests, settings=settings, on_progress=on_progress, is_cancelled=is_cancelled
        )

    @translate_out_of_memory("these stems")
    @torch.inference_mode()
    def render_batch(
        self, orders: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """Render pictures of one duration; see `selva_core.engine.Engine.render_together`."""
        plan = plan_windows(self._network.spec, common_duration_s(orders))
        company = RenderBatch([BatchItem(order, _costs(order, plan, settings)) for order in orders])
        conditions: dict[BatchItem, list[StemConditions]] = {}
        for rendering in company.renderings:
            with rendering.isolate_errors():
                conditions[rendering] = self._read_conditions(rendering, plan, company)
        latents = self._sample(conditions, plan, settings, company)
        for rendering in company.present:
            with rendering.isolate_errors():
                rendering.waveforms = self._decode(rendering, latents[rendering], plan, company)
        return company.outcomes

    def close(self) -> None:
        """Give the device's memory back; the engine cannot render afterwards."""
        self._pictures.forget()
        for part in self._network.parts().values():
            part.to("meta")
        gc.collect()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _read_conditions(
        self, rendering: BatchItem, plan: WindowPlan, company: RenderBatch
    ) -> list[StemConditions]:
        requests, meter = rendering.order.requests, rendering.meter
        if self._pictures.has(rendering.order.picture, plan.num_segments):
            meter.forgo("picture")
        prompts = {
            text: self._loaded.tokenizer.tokenize(text)
            for request in requests
            for text in (request.prompt, request.negative_prompt)
        }
        heard = list(dict.fromkeys(request.prompt for request in requests))
        sync = self._watch(rendering, {prompt: prompts[prompt] for prompt in heard}, plan, company)
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
        rendering: BatchItem,
        prompts: Mapping[str, TokenizedPrompt],
        plan: WindowPlan,
        company: RenderBatch,
    ) -> dict[str, Tensor]:
        """What each prompt makes of the picture: sync features (1, S * T, D) over the whole clip."""
        states = {prompt: self._t5_states(tokens) for prompt, tokens in prompts.items()}
        seen: dict[str, list[Tensor]] = {prompt: [] for prompt in prompts}
        chunks = self._pictures.iter_chunks(
            rendering.order.picture, plan.num_segments, check=lambda: company.check(rendering)
        )
        for tokens in chunks:
            for prompt, text_states in states.items():
                mask = torch.ones(text_states.shape[:2], dtype=torch.bool, device=text_states.device)
                seen[prompt].append(self._network.video_encoder.steer(tokens, text_states, mask))
            rendering.meter.spend("picture", tokens.shape[0] * SEGMENT_COST)
        rendering.meter.finish("picture")
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
        conditions: Mapping[BatchItem, Sequence[StemConditions]],
        plan: WindowPlan,
        settings: SamplingSettings,
        company: RenderBatch,
    ) -> dict[BatchItem, Tensor]:
        """Latents (R, N, C) of each order as the VAE knows them, those of all orders from the same batches."""
        present, generator = company.present, self._network.generator
        if not present:
            return {}
        owners = [rendering for rendering in present for _ in conditions[rendering]]
        flow = GuidedVelocity(
            generator,
            plan,
            [stem for rendering in present for stem in conditions[rendering]],
            guidance=self._network.spec.own_guidance(settings.guidance),
            limit=self._flow_limit,
            batch_across_stems=self._batch_across_stems,
            check=company.check,
            is_wanted=lambda stem: owners[stem].error is None,
        )
        seeds = [request.seed for rendering in present for request in rendering.order.requests]
        noise = torch.stack(
            [draw_noise(seed, plan.num_latents, generator.spec.latent_channels) for seed in seeds]
        )

        def on_step(step: int) -> None:
            for rendering in company.present:
                cost = STEP_COST * len(rendering.order.requests) * len(plan.windows)
                with rendering.isolate_errors():
                    rendering.meter.spend("sampling", cost, step=step, num_steps=settings.num_steps)
            company.check()

        try:
            latents = integrate(
                tie_windows(flow, plan.windows),
                noise.to(self._network.device),
                num_steps=settings.num_steps,
                on_step=on_step,
            )
        except RenderCancelled:  # nobody is left
            return {}
        latents = _held_at_start(generator.unnormalize(latents), self._network.spec.num_start_latents_held)
        return {rendering: latents[[owner is rendering for owner in owners]] for rendering in company.present}

    def _decode(
        self, rendering: BatchItem, latents: Tensor, plan: WindowPlan, company: RenderBatch
    ) -> list[Waveform]:
        """latents (R, N, C) of one order -> a waveform each."""
        order, spec = rendering.order, self._network.spec
        num_samples = math.floor(order.picture.duration_s * spec.sample_rate_hz + Fraction(1, 2))
        waveforms = []
        for stem_latents, request in zip(latents, order.requests, strict=True):
            blocks = self._iter_decoded(rendering, stem_latents, SOUND_COST * len(plan.windows), company)
            prompt = self._loaded.tokenizer.tokenize(request.prompt)
            waveforms.append(
                Waveform(
                    samples=collect_samples(blocks, num_samples),
                    sample_rate_hz=spec.sample_rate_hz,
                    warnings=tuple(self._warnings_about(prompt)),
                )
            )
        return waveforms

    def _iter_decoded(
        self, rendering: BatchItem, latents: Tensor, cost: float, company: RenderBatch
    ) -> Iterator[npt.NDArray[np.float32]]:
        """latents (N, C) -> blocks of its sound; each is worth its share of `cost`."""
        num_samples = len(latents) * self._network.spec.latent_hop_samples
        for block in iter_sound(
            self._network, latents, limit=self._sound_limit, check=lambda: company.check(rendering)
        ):
            yield block.numpy()
            rendering.meter.spend("sound", cost * len(block) / num_samples)

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


def _costs(order: BatchRequest, plan: WindowPlan, settings: SamplingSettings) -> dict[Stage, float]:
    num_runs = len(order.requests) * len(plan.windows)
    return {
        "picture": plan.num_segments * SEGMENT_COST,
        "text": len(order.requests) * PROMPT_COST,
        "sampling": num_runs * settings.num_steps * STEP_COST,
        "sound": num_runs * SOUND_COST,
    }


def _kept(loaded: LoadedModel, features: FeatureStore) -> VideoTokenCache:
    network = loaded.network
    return VideoTokenCache(features, maker=f"{loaded.weights_sha256} {network.device.type} {network.dtype}")


def _held_at_start(latents: Tensor, num_held: int) -> Tensor:
    """latents (R, N, C) with the first `num_held` replaced by the one after them; too short ones stay as they are."""
    if not 0 < num_held < latents.shape[1]:
        return latents
    return torch.cat(
        [latents[:, num_held : num_held + 1].expand(-1, num_held, -1), latents[:, num_held:]], dim=1
    )
