"""The SelVA network as an engine: video and prompts in, one waveform per prompt out."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.audio.sample_buffer import collect_samples
from selva_core.base.command_line import selva_command
from selva_core.base.errors import RenderCancelled, SelvaError
from selva_core.base.rational import round_half_up
from selva_core.engine import (
    BatchRequest,
    Evidence,
    FeatureStore,
    SamplingSettings,
    Waveform,
)
from selva_core.engines.batch import BatchEngine, BatchItem, RenderBatch, common_duration_s
from selva_core.inference.audio_decoder import CPU_BATCH_BLOCKS, GPU_BATCH_BLOCKS, iter_audio
from selva_core.inference.batching import BatchLimit, device_memory, translate_out_of_memory
from selva_core.inference.device import DeviceChoice
from selva_core.inference.evidence_track import EvidenceTrack
from selva_core.inference.guided_velocity import DRAFT_GUIDED_UNTIL, GuidedVelocity, StemConditions
from selva_core.inference.presence import PresenceModel
from selva_core.inference.progress import AUDIO_COST, PROMPT_COST, SEGMENT_COST, STEP_COST, Stage
from selva_core.inference.prompt_coverage import PromptCoverage, iter_prompt_warnings
from selva_core.inference.sampler import draw_noise, integrate, tie_windows
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.inference.token_encoder import VideoTokenEncoder
from selva_core.inference.tokenizer import PromptTokenizer, TokenizedPrompt
from selva_core.inference.windows import WindowPlan, plan_windows
from selva_core.models.catalog import Model
from selva_core.network import Network

_CPU_BATCH, _GPU_BATCH = 4, 32
WIDE_ENCODER = 384
"""Encoders this wide, those of the published sizes, take seconds a segment on a CPU: there a cancel is checked after each."""
_MAX_BATCH_PICTURES = 8
_ENCODING_SHARE = 0.9  # of the cost of a segment; the rest is steering by the prompts


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model on its device, with all that rendering needs.

    weights_sha256: over all its files (hex). notices: for every result. prompt_coverage: only for a model that was
    trained for a few sounds. presence: only for a model whose presence was fitted.
    """

    model: Model
    network: Network
    tokenizer: PromptTokenizer
    device_choice: DeviceChoice
    weights_sha256: str
    notices: tuple[str, ...] = ()
    prompt_coverage: PromptCoverage | None = None
    presence: PresenceModel | None = None


class NetworkEngine(BatchEngine):
    """Renders stems with one model on one device; for one thread at a time.

    On the CPU every stem is sampled by itself, so that its samples are the same to the last bit whatever else is
    rendered with it. On a GPU stems share batches, also those of several pictures; CUDA chooses kernels by batch size,
    which may change the last bits.
    """

    def __init__(self, loaded: LoadedModel, *, features: FeatureStore | None = None) -> None:
        self._loaded = loaded
        self._network = loaded.network
        on_cpu = loaded.network.device.type == "cpu"
        self._batch_across_stems = not on_cpu
        batch_size = _CPU_BATCH if on_cpu else _GPU_BATCH
        self._flow_limit = BatchLimit(batch_size, memory=device_memory(loaded.network.device))
        self._audio_limit = BatchLimit(CPU_BATCH_BLOCKS if on_cpu else GPU_BATCH_BLOCKS)
        self._video_tokens = VideoTokenEncoder(
            loaded.network,
            batch_segments=1
            if on_cpu and loaded.network.spec.video_encoder.width >= WIDE_ENCODER
            else batch_size,
            cache=None if features is None else _build_token_cache(loaded, features),
        )

    @property
    def model_id(self) -> str:
        return self._loaded.model.model_id

    @property
    def weights_sha256(self) -> str:
        return self._loaded.weights_sha256

    @property
    def licence(self) -> str:
        return " ".join(licence.sentence for licence in self._loaded.model.licences)

    @property
    def key_precision(self) -> str:
        return self._loaded.device_choice.key_precision

    @property
    def device_choice(self) -> DeviceChoice:
        return self._loaded.device_choice

    @property
    def device_report(self) -> str:
        return self._loaded.device_choice.reason

    @property
    def notices(self) -> tuple[str, ...]:
        return self._loaded.notices

    @property
    def max_batch_pictures(self) -> int:
        return _MAX_BATCH_PICTURES if self._batch_across_stems else 1

    @translate_out_of_memory("these stems")
    @torch.inference_mode()
    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """Render pictures of one duration; see `selva_core.engine.Engine.render_batch`."""
        plan = plan_windows(self._network.spec, common_duration_s(requests))
        batch = RenderBatch([BatchItem(request, _costs(request, plan, settings)) for request in requests])
        conditions: dict[BatchItem, list[StemConditions]] = {}
        for item in batch.items:
            with item.isolate_errors():
                conditions[item] = self._prepare_conditions(
                    item, plan, batch, separates=settings.separate > 0.0
                )
        latents = self._sample(conditions, plan, settings, batch)
        for item in batch.active:
            with item.isolate_errors():
                item.waveforms = self._decode(item, latents[item], plan, batch)
        return batch.outcomes

    @translate_out_of_memory("this picture")
    @torch.inference_mode()
    def look(self, request: BatchRequest) -> list[Evidence | None]:
        """Run the video encoder alone; see `selva_core.engine.Engine.look`."""
        plan = plan_windows(self._network.spec, request.picture.duration_s)
        costs = _costs(request, plan, SamplingSettings())
        item = BatchItem(request, {stage: costs[stage] if stage == "picture" else 0.0 for stage in costs})
        prompts = {each.prompt: self._loaded.tokenizer.tokenize(each.prompt) for each in request.requests}
        self._encode_video(item, prompts, plan, RenderBatch([item]))
        return [item.evidence[each.prompt] for each in request.requests]

    def close(self) -> None:
        """Free the device's memory; the engine cannot render afterwards."""
        self._video_tokens.clear()
        for part in self._network.parts().values():
            part.to("meta")
        gc.collect()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _prepare_conditions(
        self, item: BatchItem, plan: WindowPlan, batch: RenderBatch, *, separates: bool
    ) -> list[StemConditions]:
        """separates: whether the stems' siblings are needed too."""
        requests, progress = item.request.requests, item.progress
        if self._video_tokens.has(item.request.picture, plan.num_segments):
            progress.skip("picture")
        progress.begin("picture")
        siblings = {request: request.siblings if separates else () for request in requests}
        positive = list(
            dict.fromkeys(prompt for request in requests for prompt in (request.prompt, *siblings[request]))
        )
        prompts = {
            text: self._loaded.tokenizer.tokenize(text)
            for text in dict.fromkeys((*positive, *(request.negative_prompt for request in requests)))
        }
        sync = self._encode_video(item, {prompt: prompts[prompt] for prompt in positive}, plan, batch)
        progress.begin("text")
        text = {prompt: self._clip_states(tokens) for prompt, tokens in prompts.items() if prompt.strip()}
        progress.finish("text")
        return [
            StemConditions(
                sync=sync[request.prompt],
                text=text[request.prompt],
                negative_text=text.get(request.negative_prompt),
                siblings=tuple((sync[sibling], text[sibling]) for sibling in siblings[request]),
            )
            for request in requests
        ]

    def _encode_video(
        self,
        item: BatchItem,
        prompts: Mapping[str, TokenizedPrompt],
        plan: WindowPlan,
        batch: RenderBatch,
    ) -> dict[str, Tensor]:
        """Encode the video once and steer it by each prompt: sync features (1, S * T, D) over the whole clip.

        The evidence is stored in the item.
        """
        encoder = self._network.video_encoder
        states = {prompt: self._t5_states(tokens) for prompt, tokens in prompts.items()}
        steered: dict[str, list[Tensor]] = {prompt: [] for prompt in prompts}
        tracks = {prompt: EvidenceTrack(encoder.spec, self._loaded.presence) for prompt in prompts}
        textures: list[float] = []
        chunks = self._video_tokens.iter_chunks(
            item.request.picture,
            plan.num_segments,
            check=lambda: batch.check(item),
            on_encoded=lambda num_segments: item.progress.work(
                "picture", num_segments * SEGMENT_COST * _ENCODING_SHARE
            ),
            on_texture=textures.append,
        )
        num_done = 0
        for tokens in chunks:
            for prompt, text_states in states.items():
                mask = torch.ones(text_states.shape[:2], dtype=torch.bool, device=text_states.device)
                sync, attention = encoder.steer_and_attend(tokens, text_states, mask)
                steered[prompt].append(sync)
                tracks[prompt].add(sync[0], attention[0])
            num_done += tokens.shape[0]
            item.progress.spend_up_to("picture", num_done / plan.num_segments)
        item.progress.finish("picture")
        calibration = self._loaded.model.presence
        threshold = None if calibration is None else calibration.threshold
        item.evidence = {
            prompt: track.build(item.request.picture.duration_s, threshold=threshold)
            for prompt, track in tracks.items()
        }
        if calibration is not None and textures and statistics.median(textures) > calibration.max_texture:
            item.picture_warnings = (
                f"this picture is unlike the drawn scenes that {self.model_id} was trained on: what it finds in it means "
                f"little; a published model knows more; see: {selva_command('models', 'list')}",
            )
        return {prompt: torch.cat(features, dim=1) for prompt, features in steered.items()}

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
        batch: RenderBatch,
    ) -> dict[BatchItem, Tensor]:
        """Latents (R, N, C) of each item, denormalised for the VAE; all items are sampled in the same batches."""
        active, generator = batch.active, self._network.generator
        if not active:
            return {}
        for item in active:
            with item.isolate_errors():
                item.progress.begin("sampling", num_steps=settings.num_steps)
        owners = [item for item in active for _ in conditions[item]]
        position = SamplingPosition(num_steps=settings.num_steps)
        flow = GuidedVelocity(
            generator,
            plan,
            [stem for item in active for stem in conditions[item]],
            guidance=self._network.spec.own_guidance(settings.guidance),
            guided_until=DRAFT_GUIDED_UNTIL if settings.quality == "draft" else 1.0,
            separation=settings.separate,
            limit=self._flow_limit,
            batch_across_stems=self._batch_across_stems,
            check=batch.check,
            is_active=lambda stem: owners[stem].error is None,
            on_batch=lambda runs: _record_runs(owners, [stem for stem, _ in runs], position),
        )

        def on_step(step: int) -> None:
            position.step = step + 1
            for item in batch.active:
                with item.isolate_errors():
                    item.progress.spend("sampling", 0.0, step=step, num_steps=settings.num_steps)
            batch.check()

        try:
            latents = integrate(
                tie_windows(flow, plan.windows),
                self._draw_noise(active, plan.num_latents),
                num_steps=settings.num_steps,
                on_step=on_step,
            )
        except RenderCancelled:  # no item is active any more
            return {}
        latents = _hold_start(generator.unnormalize(latents), self._network.spec.num_start_latents_held)
        return {item: latents[[owner is item for owner in owners]] for item in batch.active}

    def _draw_noise(self, items: Sequence[BatchItem], num_latents: int) -> Tensor:
        """float32 (R, N, C) on the device, drawn on the CPU so that a seed means the same everywhere."""
        num_channels = self._network.generator.spec.latent_channels
        seeds = [request.seed for item in items for request in item.request.requests]
        noise = torch.stack([draw_noise(seed, num_latents, num_channels) for seed in seeds])
        return noise.to(self._network.device)

    def _decode(
        self, item: BatchItem, latents: Tensor, plan: WindowPlan, batch: RenderBatch
    ) -> list[Waveform]:
        """latents (R, N, C) of one item -> a waveform each."""
        num_samples = round_half_up(item.request.picture.duration_s * self._network.spec.sample_rate_hz)
        waveforms = []
        item.progress.begin("sound")
        for stem_latents, request in zip(latents, item.request.requests, strict=True):
            blocks = self._iter_decoded(item, stem_latents, AUDIO_COST * len(plan.windows), batch)
            waveforms.append(
                Waveform(
                    samples=collect_samples(blocks, num_samples),
                    sample_rate_hz=self._network.spec.sample_rate_hz,
                    warnings=(*self._prompt_warnings(request.prompt), *item.picture_warnings),
                    evidence=item.evidence.get(request.prompt),
                )
            )
        return waveforms

    def _iter_decoded(
        self, item: BatchItem, latents: Tensor, cost: float, batch: RenderBatch
    ) -> Iterator[npt.NDArray[np.float32]]:
        """latents (N, C) of one stem -> blocks of its audio; each spends its share of `cost`."""
        num_samples = len(latents) * self._network.spec.latent_hop_samples
        for block in iter_audio(
            self._network, latents, limit=self._audio_limit, check=lambda: batch.check(item)
        ):
            yield block.numpy()
            item.progress.spend("sound", cost * len(block) / num_samples)

    def _prompt_warnings(self, prompt: str) -> Iterator[str]:
        tokens, coverage = self._loaded.tokenizer.tokenize(prompt), self._loaded.prompt_coverage
        if tokens.num_pieces > tokens.num_read:
            yield (
                f"the prompt is too long: the model reads the first {tokens.num_read} of its {tokens.num_pieces} "
                "pieces of text"
            )
        if coverage is not None:
            yield from iter_prompt_warnings(self.model_id, coverage, prompt, self._t5_states(tokens))


@dataclass(kw_only=True)
class SamplingPosition:
    """Which step of how many is being made."""

    num_steps: int
    step: int = 1


def _record_runs(owners: Sequence[BatchItem], stems: Sequence[int], position: SamplingPosition) -> None:
    """Add the runs of one batch to the progress of the items that their stems belong to."""
    for stem in stems:
        if owners[stem].error is None:
            with owners[stem].isolate_errors():
                owners[stem].progress.work(
                    "sampling", STEP_COST, step=position.step, num_steps=position.num_steps
                )


def _costs(request: BatchRequest, plan: WindowPlan, settings: SamplingSettings) -> dict[Stage, float]:
    num_runs = len(request.requests) * len(plan.windows)
    return {
        "picture": plan.num_segments * SEGMENT_COST,
        "text": len(request.requests) * PROMPT_COST,
        "sampling": num_runs * settings.num_steps * STEP_COST,
        "sound": num_runs * AUDIO_COST,
    }


def _build_token_cache(loaded: LoadedModel, features: FeatureStore) -> VideoTokenCache:
    network = loaded.network
    return VideoTokenCache(
        features, producer=f"{loaded.weights_sha256} {network.device.type} {network.dtype}"
    )


def _hold_start(latents: Tensor, num_held: int) -> Tensor:
    """latents (R, N, C) with the first `num_held` replaced by the one after them; shorter ones are left as they are."""
    if not 0 < num_held < latents.shape[1]:
        return latents
    return torch.cat(
        [latents[:, num_held : num_held + 1].expand(-1, num_held, -1), latents[:, num_held:]], dim=1
    )
