"""The SelVA network as an engine: video and prompts in, one waveform per prompt out."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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
    BatchRequest,
    Evidence,
    FeatureStore,
    SamplingSettings,
    StemRequest,
    Waveform,
)
from selva_core.engines.batch import BatchEngine, BatchItem, RenderBatch, common_duration_s
from selva_core.engines.prompt_reading import PromptReader, ReadPrompts
from selva_core.engines.stem_decoding import StemDecoder, StemMel
from selva_core.engines.stem_sampling import (
    SampledLatents,
    SampledStem,
    StemSampler,
    build_items,
    denormalise,
    expected_costs,
    find_delay,
    find_known,
    find_stretches,
    iter_passes,
    positive_prompts,
    sampled_requests,
)
from selva_core.inference.batching import BatchLimit, device_memory, translate_out_of_memory
from selva_core.inference.device import DeviceChoice
from selva_core.inference.evidence_track import EvidenceTrack
from selva_core.inference.guided_velocity import StemConditions
from selva_core.inference.presence import PresenceModel
from selva_core.inference.progress import SEGMENT_COST
from selva_core.inference.prompt_coverage import PromptCoverage
from selva_core.inference.token_cache import VideoTokenCache
from selva_core.inference.token_encoder import MAX_MEMORY_BYTES, VideoTokenEncoder
from selva_core.inference.tokenizer import PromptTokenizer
from selva_core.inference.windows import WindowPlan, plan_windows
from selva_core.models.catalog import Model
from selva_core.models.memory_needs import STORED_TOKENS_BYTES
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
        self._prompts = PromptReader(
            loaded.network,
            loaded.tokenizer,
            model_id=loaded.model.model_id,
            coverage=loaded.prompt_coverage,
        )
        self._decoder = StemDecoder(loaded.network)
        self._video_tokens = VideoTokenEncoder(
            loaded.network,
            batch_segments=1
            if on_cpu and loaded.network.spec.video_encoder.width >= WIDE_ENCODER
            else batch_size,
            max_memory_bytes=STORED_TOKENS_BYTES if loaded.network.residency.on_demand else MAX_MEMORY_BYTES,
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
            build_items(
                requests, model_id=self.model_id, spec=self._network.spec, plan=plan, settings=settings
            )
        )
        try:
            read = self._read_prompts(plan, batch, separates=settings.separate > 0.0)
            conditions = self._prepare_conditions(read, plan, batch, separates=settings.separate > 0.0)
            self._decode(self._sample(conditions, plan, settings, batch), read, plan, batch)
        finally:
            self._network.residency.need()
        return batch.outcomes

    @translate_out_of_memory("this picture")
    @torch.inference_mode()
    def look(self, request: BatchRequest) -> list[Evidence | None]:
        """Run the video encoder alone; see `selva_core.engine.Engine.look`."""
        plan = plan_windows(self._network.spec, request.picture.duration_s)
        costs = expected_costs(request, self._network.spec, plan, SamplingSettings())
        item = BatchItem(request, {stage: costs[stage] if stage == "picture" else 0.0 for stage in costs})
        prompts = list(dict.fromkeys(each.prompt for each in request.requests))
        try:
            read = self._prompts.read(steering=prompts, conditioning=())
            self._network.residency.need("video_encoder")
            self._encode_video(item, read.steering, plan, RenderBatch([item]))
        finally:
            self._network.residency.need()
        return [item.evidence[each.prompt] for each in request.requests]

    def close(self) -> None:
        """Free the device's memory; the engine cannot render afterwards."""
        self._video_tokens.clear()
        self._network.close()
        self._loaded = replace(self._loaded, presence=None)
        gc.collect()
        if self._network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _read_prompts(self, plan: WindowPlan, batch: RenderBatch, *, separates: bool) -> ReadPrompts:
        """The prompts of all items, before any picture is encoded. separates: whether the stems' siblings are needed too."""
        steering: list[str] = []
        conditioning: list[str] = []
        for item in batch.active:
            with item.isolate_errors():
                if self._video_tokens.has(item.request.picture, plan.num_segments):
                    item.progress.skip("picture")
                item.progress.begin("picture")
                sampled = sampled_requests(item.request.requests)
                positive = positive_prompts(sampled, separates=separates)
                steering += positive
                conditioning += [*positive, *(request.negative_prompt for request in sampled)]
        return self._prompts.read(steering=steering, conditioning=conditioning)

    def _prepare_conditions(
        self, read: ReadPrompts, plan: WindowPlan, batch: RenderBatch, *, separates: bool
    ) -> dict[BatchItem, dict[StemRequest, StemConditions]]:
        """separates: whether the stems' siblings are needed too."""
        self._network.residency.need("video_encoder")
        conditions: dict[BatchItem, dict[StemRequest, StemConditions]] = {}
        text = read.conditioning
        for item in batch.active:
            with item.isolate_errors():
                sampled = sampled_requests(item.request.requests)
                positive = positive_prompts(sampled, separates=separates)
                states = {prompt: read.steering[prompt] for prompt in positive}
                sync = self._encode_video(item, states, plan, batch)
                item.progress.begin("text")
                item.progress.finish("text")
                conditions[item] = {
                    request: StemConditions(
                        sync=sync[request.prompt],
                        text=text[request.prompt],
                        negative_text=text.get(request.negative_prompt),
                        siblings=tuple(
                            (sync[sibling], text[sibling])
                            for sibling in (request.siblings if separates else ())
                        ),
                    )
                    for request in sampled
                }
        return conditions

    def _encode_video(
        self,
        item: BatchItem,
        states: Mapping[str, Tensor],
        plan: WindowPlan,
        batch: RenderBatch,
    ) -> dict[str, Tensor]:
        """Encode the video once and steer it by the T5 states of each prompt: sync features (1, S * T, D) over the whole clip.

        The evidence is stored in the item.
        """
        encoder = self._network.video_encoder
        steered: dict[str, list[Tensor]] = {prompt: [] for prompt in states}
        tracks = {prompt: EvidenceTrack(encoder.spec, self._loaded.presence) for prompt in states}
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
            of_prompts = encoder.steer_each(tokens, list(states.values()))
            for prompt, (sync, attention) in zip(states, of_prompts, strict=True):
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

    def _sample(
        self,
        conditions: Mapping[BatchItem, Mapping[StemRequest, StemConditions]],
        plan: WindowPlan,
        settings: SamplingSettings,
        batch: RenderBatch,
    ) -> dict[BatchItem, dict[StemRequest, SampledLatents]]:
        """The latents of each item's stems; all items are sampled in the same batches.

        A stretch is sampled after the stem that it lies in.
        """
        self._network.residency.need("generator")
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
        return {
            item: {request: denormalise(self._network, sampled) for request, sampled in of_item.items()}
            for item, of_item in latents.items()
        }

    def _decode(
        self,
        latents: Mapping[BatchItem, Mapping[StemRequest, SampledLatents]],
        read: ReadPrompts,
        plan: WindowPlan,
        batch: RenderBatch,
    ) -> None:
        """Give each item its waveforms."""
        self._network.residency.need("vae")
        mels: dict[BatchItem, list[StemMel]] = {}
        for item in batch.active:
            with item.isolate_errors():
                item.progress.begin("sound")
                mels[item] = [
                    self._decoder.build_mel(
                        latents[item][request].audible,
                        find_stretches(
                            request,
                            self._network.spec,
                            plan,
                            duration_s=item.request.picture.duration_s,
                        ),
                        check=partial(batch.check, item),
                    )
                    for request in item.request.requests
                ]
        self._network.residency.need("vocoder")
        for item in batch.active:
            with item.isolate_errors():
                for request, mel in zip(item.request.requests, mels[item], strict=True):
                    blocks = self._decoder.iter_samples(
                        mel,
                        num_windows=len(plan.windows),
                        check=partial(batch.check, item),
                        on_cost=partial(item.progress.spend, "sound"),
                    )
                    blocks = delay(blocks, self._delay_samples(request, item))
                    latents_of_stem = latents[item][request].normalised
                    item.waveforms.append(
                        self._build_waveform(item, request, blocks, latents_of_stem, read.warnings)
                    )

    def _delay_samples(self, request: StemRequest, item: BatchItem) -> int:
        """By how much later than its latents a stem's samples are."""
        spec = self._network.spec
        delay_s = find_delay(request, spec, duration_s=item.request.picture.duration_s)
        return round_half_up(delay_s * spec.sample_rate_hz)

    def _build_waveform(
        self,
        item: BatchItem,
        request: StemRequest,
        blocks: Iterable[npt.NDArray[np.float32]],
        latents: Tensor,
        warnings: Mapping[str, tuple[str, ...]],
    ) -> Waveform:
        rate_hz = self._network.spec.sample_rate_hz
        return Waveform(
            samples=collect_samples(blocks, round_half_up(item.request.picture.duration_s * rate_hz)),
            sample_rate_hz=rate_hz,
            warnings=(*warnings[request.prompt], *item.picture_warnings),
            evidence=item.evidence.get(request.prompt),
            latents=host_copy.to_array(latents),
        )


def _build_token_cache(loaded: LoadedModel, features: FeatureStore) -> VideoTokenCache:
    network = loaded.network
    return VideoTokenCache(
        features, producer=f"{loaded.weights_sha256} {network.device.type} {network.dtype}"
    )
