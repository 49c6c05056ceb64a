"""The SelVA network as an engine: video and prompts in, one waveform per prompt out."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.audio.sample_buffer import collect_samples, delay
from selva_core.base.command_line import selva_command
from selva_core.base.errors import SelvaError
from selva_core.base.rational import round_half_up
from selva_core.engine import (
    REDO_MARGIN_S,
    BatchRequest,
    Evidence,
    FeatureStore,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.batch import BatchEngine, BatchItem, RenderBatch, common_duration_s
from selva_core.engines.stem_sampling import (
    SampledStem,
    StemSampler,
    expected_costs,
    find_known,
    find_stretches,
    hold_start,
    iter_passes,
    locate_extension,
)
from selva_core.inference.audio_decoder import CPU_BATCH_BLOCKS, GPU_BATCH_BLOCKS, decode_span, iter_audio
from selva_core.inference.batching import BatchLimit, device_memory, translate_out_of_memory
from selva_core.inference.device import DeviceChoice
from selva_core.inference.evidence_track import EvidenceTrack
from selva_core.inference.guided_velocity import StemConditions
from selva_core.inference.presence import PresenceModel
from selva_core.inference.progress import AUDIO_COST, SEGMENT_COST
from selva_core.inference.prompt_coverage import PromptCoverage, iter_prompt_warnings
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.inference.token_encoder import VideoTokenEncoder
from selva_core.inference.tokenizer import PromptTokenizer, TokenizedPrompt
from selva_core.inference.windows import WindowPlan, plan_windows
from selva_core.models.catalog import Model
from selva_core.network import Network, host_copy

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
        batch_size = _CPU_BATCH if on_cpu else _GPU_BATCH
        self._sampler = StemSampler(
            loaded.network,
            limit=BatchLimit(batch_size, memory=device_memory(loaded.network.device)),
            batch_across_stems=not on_cpu,
        )
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
        return _MAX_BATCH_PICTURES if self._sampler.batch_across_stems else 1

    @translate_out_of_memory("these stems")
    @torch.inference_mode()
    def render_batch(
        self, requests: Sequence[BatchRequest], *, settings: SamplingSettings
    ) -> list[list[Waveform] | SelvaError]:
        """Render pictures of one duration; see `selva_core.engine.Engine.render_batch`."""
        plan = plan_windows(self._network.spec, common_duration_s(requests))
        batch = RenderBatch(
            [
                BatchItem(request, expected_costs(request, self._network.spec, plan, settings))
                for request in requests
            ]
        )
        conditions: dict[BatchItem, dict[StemRequest, StemConditions]] = {}
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
        costs = expected_costs(request, self._network.spec, plan, SamplingSettings())
        item = BatchItem(request, {stage: costs[stage] if stage == "picture" else 0.0 for stage in costs})
        prompts = {each.prompt: self._loaded.tokenizer.tokenize(each.prompt) for each in request.requests}
        self._encode_video(item, prompts, plan, RenderBatch([item]))
        return [item.evidence[each.prompt] for each in request.requests]

    def close(self) -> None:
        """Free the device's memory; the engine cannot render afterwards."""
        self._video_tokens.clear()
        self._network.free()
        self._loaded = replace(self._loaded, presence=None)
        gc.collect()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _prepare_conditions(
        self, item: BatchItem, plan: WindowPlan, batch: RenderBatch, *, separates: bool
    ) -> dict[StemRequest, StemConditions]:
        """separates: whether the stems' siblings are needed too."""
        requests, progress = item.request.requests, item.progress
        if self._video_tokens.has(item.request.picture, plan.num_segments):
            progress.skip("picture")
        progress.begin("picture")
        sampled = [request for in_pass in iter_passes(requests) for request in in_pass]
        siblings = {request: request.siblings if separates else () for request in sampled}
        positive = list(
            dict.fromkeys(prompt for request in sampled for prompt in (request.prompt, *siblings[request]))
        )
        prompts = {
            text: self._loaded.tokenizer.tokenize(text)
            for text in dict.fromkeys((*positive, *(request.negative_prompt for request in sampled)))
        }
        sync = self._encode_video(item, {prompt: prompts[prompt] for prompt in positive}, plan, batch)
        progress.begin("text")
        text = {prompt: self._clip_states(tokens) for prompt, tokens in prompts.items() if prompt.strip()}
        progress.finish("text")
        return {
            request: StemConditions(
                sync=sync[request.prompt],
                text=text[request.prompt],
                negative_text=text.get(request.negative_prompt),
                siblings=tuple((sync[sibling], text[sibling]) for sibling in siblings[request]),
            )
            for request in sampled
        }

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
        ids = host_copy.send_indices(tokens.t5_ids, self._network.device)[None]
        states: Tensor = self._network.t5(ids, torch.ones_like(ids))
        return states

    def _clip_states(self, tokens: TokenizedPrompt) -> Tensor:
        ids = host_copy.send_indices(tokens.clip_ids, self._network.device)[None]
        states: Tensor = self._network.clip_text(ids)
        return states

    def _sample(
        self,
        conditions: Mapping[BatchItem, Mapping[StemRequest, StemConditions]],
        plan: WindowPlan,
        settings: SamplingSettings,
        batch: RenderBatch,
    ) -> dict[BatchItem, dict[StemRequest, Tensor]]:
        """Normalised latents (N, C) of each item's stems; all items are sampled in the same batches.

        A stretch is sampled after the stem that it lies in.
        """
        latents: dict[BatchItem, dict[StemRequest, Tensor]] = {item: {} for item in batch.active}
        for requests in zip_longest(*(iter_passes(item.request.requests) for item in latents), fillvalue=()):
            stems: list[SampledStem] = []
            for item, of_item in zip(latents, requests, strict=True):
                with item.isolate_errors():
                    stems += [
                        SampledStem(
                            item=item,
                            request=request,
                            conditions=conditions[item][request],
                            known=find_known(
                                request,
                                latents[item],
                                self._network,
                                plan,
                                duration_s=item.request.picture.duration_s,
                            ),
                        )
                        for request in (of_item if item.error is None else ())
                    ]
            for stem, sampled in self._sampler.sample(stems, plan, settings, batch):
                latents[stem.item][stem.request] = sampled
        return latents

    def _find_stretches(
        self, request: StemRequest, item: BatchItem, plan: WindowPlan
    ) -> tuple[slice, ...] | None:
        duration_s = item.request.picture.duration_s
        return find_stretches(request, self._network.spec, plan, duration_s=duration_s)

    def _decode(
        self, item: BatchItem, latents: Mapping[StemRequest, Tensor], plan: WindowPlan, batch: RenderBatch
    ) -> list[Waveform]:
        """Normalised latents (N, C) of the stems of one item -> a waveform each."""
        num_samples = round_half_up(item.request.picture.duration_s * self._network.spec.sample_rate_hz)
        waveforms = []
        item.progress.begin("sound")
        for request in item.request.requests:
            normalised = latents[request]
            audible = self._network.generator.unnormalize(normalised[None])[0]
            audible = hold_start(audible, self._network.spec.num_start_latents_held)
            stretches = self._find_stretches(request, item, plan)
            if stretches is None:
                blocks = self._iter_decoded(item, audible, AUDIO_COST * len(plan.windows), batch)
            else:
                blocks = self._iter_stretches(item, audible, stretches, batch)
            if request.extends is not None:
                span = locate_extension(
                    request.extends, self._network.spec, plan, duration_s=item.request.picture.duration_s
                )
                blocks = delay(blocks, round_half_up(span.delay_s * self._network.spec.sample_rate_hz))
            waveforms.append(
                Waveform(
                    samples=collect_samples(blocks, num_samples),
                    sample_rate_hz=self._network.spec.sample_rate_hz,
                    warnings=(*self._prompt_warnings(request.prompt), *item.picture_warnings),
                    evidence=item.evidence.get(request.prompt),
                    latents=host_copy.to_array(normalised),
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
            yield block
            item.progress.spend("sound", cost * len(block) / num_samples)

    def _iter_stretches(
        self, item: BatchItem, latents: Tensor, stretches: Sequence[slice], batch: RenderBatch
    ) -> Iterator[npt.NDArray[np.float32]]:
        """The audio of stretches of latents (N, C) and REDO_MARGIN_S beside them, between silence from the clip's start."""
        spec = self._network.spec
        margin = math.ceil(REDO_MARGIN_S * spec.sample_rate_hz / spec.latent_hop_samples)
        done = 0
        for stretch in stretches:
            span = slice(max(stretch.start - margin, done), min(stretch.stop + margin, len(latents)))
            yield np.zeros((span.start - done) * spec.latent_hop_samples, np.float32)
            yield decode_span(
                self._network, latents, span, limit=self._audio_limit, check=lambda: batch.check(item)
            )
            done = span.stop
        item.progress.spend("sound", AUDIO_COST)

    def _prompt_warnings(self, prompt: str) -> Iterator[str]:
        tokens, coverage = self._loaded.tokenizer.tokenize(prompt), self._loaded.prompt_coverage
        if tokens.num_pieces > tokens.num_read:
            yield (
                f"the prompt is too long: the model reads the first {tokens.num_read} of its {tokens.num_pieces} "
                "pieces of text"
            )
        if coverage is not None:
            yield from iter_prompt_warnings(self.model_id, coverage, prompt, self._t5_states(tokens))


def _build_token_cache(loaded: LoadedModel, features: FeatureStore) -> VideoTokenCache:
    network = loaded.network
    return VideoTokenCache(
        features, producer=f"{loaded.weights_sha256} {network.device.type} {network.dtype}"
    )
