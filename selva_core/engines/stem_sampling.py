"""Sampling the stems of a batch: whole ones from noise, stretches in or beside earlier ones next to the latents that stay.

Dimensions: R stems, N latents of the whole clip, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from selva_core.base.errors import ModelError, RenderCancelled
from selva_core.base.render_options import SamplingSettings
from selva_core.engine import BatchRequest, Extension, StemRequest
from selva_core.engines.batch import BatchItem, RenderBatch
from selva_core.inference.batching import BatchLimit
from selva_core.inference.guided_velocity import DRAFT_GUIDED_UNTIL, GuidedVelocity, StemConditions
from selva_core.inference.known_latents import (
    ExtendedSpan,
    KnownLatents,
    hold_known,
    latents_in,
    locate_earlier,
    windows_touching,
)
from selva_core.inference.progress import (
    AUDIO_COST,
    PROMPT_COST,
    SEGMENT_COST,
    STEP_COST,
    Stage,
    stage_weights,
)
from selva_core.inference.sampler import draw_noise, integrate, tie_windows
from selva_core.inference.windows import WindowPlan, plan_windows
from selva_core.models.arithmetic import arithmetic_of
from selva_core.models.specs import ModelSpec
from selva_core.network import Network, host_copy


@dataclass(frozen=True, kw_only=True)
class SampledStem:
    """One stem of a pass. known: what stays of the earlier stem, where a stretch of it is made anew or added."""

    item: BatchItem
    request: StemRequest
    conditions: StemConditions
    known: KnownLatents | None = None


def iter_passes(requests: Sequence[StemRequest]) -> Iterator[tuple[StemRequest, ...]]:
    """What has to be sampled, in an order in which a stretch comes after the stem that it lies in; each request once.

    A stem whose latents were kept is not sampled again.
    """
    pending = dict.fromkeys(each for request in requests for each in _lineage(request))
    done: set[StemRequest] = set()
    while pending:
        ready = tuple(request for request in pending if _base_of(request) in (None, *done))
        yield ready
        done.update(ready)
        for request in ready:
            del pending[request]


def sampled_requests(requests: Sequence[StemRequest]) -> list[StemRequest]:
    """Stems, and those that stretches among them lie in."""
    return [request for in_pass in iter_passes(requests) for request in in_pass]


def positive_prompts(requests: Sequence[StemRequest], *, separates: bool) -> list[str]:
    """The prompts that are looked for in the picture, each once. separates: whether those of siblings are too."""
    prompts = (
        prompt
        for request in requests
        for prompt in (request.prompt, *(request.siblings if separates else ()))
    )
    return list(dict.fromkeys(prompts))


def _base_of(request: StemRequest) -> StemRequest | None:
    """The stem that has to be sampled before; None where there is none, or its latents are there."""
    return None if request.redo is None or request.redo.base_latents is not None else request.redo.base


def _lineage(request: StemRequest) -> Iterator[StemRequest]:
    """A request and those that have to be sampled before it."""
    step: StemRequest | None = request
    while step is not None:
        yield step
        step = _base_of(step)


class StemSampler:
    """Samples with one network. batch_across_stems: see GuidedVelocity."""

    def __init__(self, network: Network, *, limit: BatchLimit, batch_across_stems: bool) -> None:
        self._network = network
        self._limit = limit
        self.batch_across_stems = batch_across_stems

    def sample(
        self, stems: Sequence[SampledStem], plan: WindowPlan, settings: SamplingSettings, batch: RenderBatch
    ) -> list[tuple[SampledStem, Tensor]]:
        """Normalised latents (N, C) of each stem, all in the same batches; without those whose item failed or was cancelled."""
        for item in dict.fromkeys(stem.item for stem in stems):
            with item.isolate_errors():
                item.progress.begin("sampling", num_steps=settings.num_steps)
        if not any(stem.item.error is None for stem in stems):
            return []
        position = _SamplingPosition(num_steps=settings.num_steps)
        flow = self._build_flow(stems, plan, settings, batch, position)

        def on_step(step: int) -> None:
            position.step = step + 1
            for item in batch.active:
                with item.isolate_errors():
                    item.progress.spend("sampling", 0.0, step=step, num_steps=settings.num_steps)
            batch.check()

        noise = self._draw_noise([stem.request.seed for stem in stems], plan.num_latents)
        try:
            with self._network.generator.many_steps():
                latents = integrate(
                    tie_windows(flow, plan.windows),
                    noise,
                    num_steps=settings.num_steps,
                    settle=hold_known([stem.known for stem in stems], noise),
                    on_step=on_step,
                )
        except RenderCancelled:  # no item is active any more
            return []
        return [(stem, each) for stem, each in zip(stems, latents, strict=True) if stem.item.error is None]

    def _build_flow(
        self,
        stems: Sequence[SampledStem],
        plan: WindowPlan,
        settings: SamplingSettings,
        batch: RenderBatch,
        position: _SamplingPosition,
    ) -> GuidedVelocity:
        needed = [find_windows(stem.known.stretches if stem.known else None, plan) for stem in stems]
        return GuidedVelocity(
            self._network.generator,
            plan,
            [stem.conditions for stem in stems],
            guidance=self._network.spec.own_guidance(settings.guidance),
            guided_until=DRAFT_GUIDED_UNTIL if settings.quality == "draft" else 1.0,
            separation=settings.separate,
            limit=self._limit,
            batch_across_stems=self.batch_across_stems,
            check=batch.check,
            is_active=lambda run: stems[run[0]].item.error is None and run[1] in needed[run[0]],
            on_batch=lambda runs: _record_runs([stems[stem].item for stem, _ in runs], position),
        )

    def _draw_noise(self, seeds: Sequence[int], num_latents: int) -> Tensor:
        """float32 (R, N, C) on the device, drawn on the CPU so that a seed means the same everywhere."""
        num_channels = self._network.generator.spec.latent_channels
        noise = torch.stack([draw_noise(seed, num_latents, num_channels) for seed in seeds])
        return host_copy.to_device(noise * self._network.spec.noise_scale, self._network.device)


def find_windows(stretches: Sequence[slice] | None, plan: WindowPlan) -> frozenset[int]:
    """The windows that have to be run: all, or those in which stretches are made."""
    if stretches is None:
        return frozenset(range(len(plan.windows)))
    return windows_touching(plan.windows, stretches)


def locate_extension(extends: Extension, spec: ModelSpec, *, duration_s: Fraction) -> ExtendedSpan:
    """Where the latents of an earlier stem go in a clip of `duration_s`."""
    earlier_s = duration_s - extends.head_s - extends.tail_s
    return locate_earlier(
        spec,
        head_s=extends.head_s,
        earlier_s=earlier_s,
        tail_s=extends.tail_s,
        num_latents=plan_windows(spec, duration_s).num_latents,
        earlier_delay_s=find_delay(extends.base, spec, duration_s=earlier_s),
    )


def find_delay(request: StemRequest, spec: ModelSpec, *, duration_s: Fraction) -> Fraction:
    """By how much later than its latents the samples of a stem of `duration_s` are; at most half a latent either way.

    What a head was extended by stays in all that is made of the stem later: its samples are copied, its latents are not moved.
    """
    if request.extends is not None:
        return locate_extension(request.extends, spec, duration_s=duration_s).delay_s
    if request.redo is not None:
        return find_delay(request.redo.base, spec, duration_s=duration_s)
    return Fraction(0)


def find_stretches(
    request: StemRequest, spec: ModelSpec, plan: WindowPlan, *, duration_s: Fraction
) -> tuple[slice, ...] | None:
    """The latents of a clip of `duration_s` that a request makes; None for all."""
    if request.extends is not None:
        return locate_extension(request.extends, spec, duration_s=duration_s).stretches
    if request.redo is not None:
        redo, delay_s = request.redo, find_delay(request, spec, duration_s=duration_s)
        start_s, end_s = redo.start_s - delay_s, redo.end_s - delay_s
        return (latents_in(spec, start_s, end_s, num_latents=plan.num_latents),)
    return None


def find_known(
    request: StemRequest,
    sampled: Mapping[StemRequest, Tensor],
    network: Network,
    plan: WindowPlan,
    *,
    duration_s: Fraction,
) -> KnownLatents | None:
    """The latents of the stem in which, or beside which, a stretch of a clip of `duration_s` is made. sampled: by request, those
    that were sampled in this call. Raises ModelError for latents of another network or length.
    """
    spec = network.spec
    stretches = find_stretches(request, spec, plan, duration_s=duration_s)
    if request.redo is not None:
        stored = request.redo.base_latents
        latents = sampled[request.redo.base] if stored is None else _send(stored, network)
        _require_shape(latents, plan.num_latents, spec)
    elif request.extends is not None:
        extends = request.extends
        if extends.base_latents is None:
            raise ModelError("the latents of the earlier stem are needed to go on with it; none were given")
        earlier_s = duration_s - extends.head_s - extends.tail_s
        earlier = _send(extends.base_latents, network)
        _require_shape(earlier, plan_windows(spec, earlier_s).num_latents, spec)
        span = locate_extension(extends, spec, duration_s=duration_s)
        latents = earlier.new_zeros((plan.num_latents, earlier.shape[1]))
        latents[span.known] = earlier[span.known.start - span.first : span.known.stop - span.first]
    else:
        return None
    return KnownLatents(latents=latents, stretches=stretches or ())


def _send(latents: npt.NDArray[np.float32], network: Network) -> Tensor:
    return host_copy.to_device(torch.tensor(latents), network.device)


def _require_shape(latents: Tensor, num_latents: int, spec: ModelSpec) -> None:
    expected = (num_latents, spec.generator.latent_channels)
    if tuple(latents.shape) != expected:
        raise ModelError(
            f"the earlier stem has latents of shape {tuple(latents.shape)}, and those of its picture and model are "
            f"{expected}; render the whole stem again"
        )


def expected_costs(
    request: BatchRequest, spec: ModelSpec, plan: WindowPlan, settings: SamplingSettings
) -> dict[Stage, float]:
    """Of rendering a request, by stage."""
    duration_s = request.picture.duration_s
    stretches = {
        each: find_stretches(each, spec, plan, duration_s=duration_s)
        for in_pass in iter_passes(request.requests)
        for each in in_pass
    }
    num_runs = sum(len(find_windows(each, plan)) for each in stretches.values())
    return {
        "picture": plan.num_segments * SEGMENT_COST,
        "text": len(request.requests) * PROMPT_COST,
        "sampling": num_runs * settings.num_steps * STEP_COST,
        "sound": sum(len(plan.windows) if stretches[each] is None else 1 for each in request.requests)
        * AUDIO_COST,
    }


@dataclass(frozen=True, kw_only=True)
class SampledLatents:
    """Of one stem, (N, C). normalised: as the generator makes them. audible: as the VAE decodes them."""

    normalised: Tensor
    audible: Tensor


def denormalise(network: Network, latents: Tensor) -> SampledLatents:
    """latents: normalised, (N, C)."""
    audible = network.generator.unnormalize(latents[None])[0]
    return SampledLatents(
        normalised=latents, audible=hold_start(audible, network.spec.num_start_latents_held)
    )


def build_items(
    requests: Sequence[BatchRequest],
    *,
    model_id: str,
    spec: ModelSpec,
    plan: WindowPlan,
    settings: SamplingSettings,
) -> list[BatchItem]:
    """The items of a batch, each with what its stages are expected to cost with this model."""
    arithmetic = arithmetic_of(model_id)
    return [
        BatchItem(
            request,
            expected_costs(request, spec, plan, settings),
            weights=stage_weights(arithmetic, num_prompts=len({each.prompt for each in request.requests})),
        )
        for request in requests
    ]


def hold_start(latents: Tensor, num_held: int) -> Tensor:
    """latents (N, C) with the first `num_held` replaced by the one after them; shorter ones are left as they are."""
    if not 0 < num_held < len(latents):
        return latents
    return torch.cat([latents[num_held : num_held + 1].expand(num_held, -1), latents[num_held:]])


@dataclass(kw_only=True)
class _SamplingPosition:
    """Which step of how many is being made."""

    num_steps: int
    step: int = 1


def _record_runs(owners: Sequence[BatchItem], position: _SamplingPosition) -> None:
    """Add one run of the generator to the progress of each of these items, which may come several times."""
    for item in owners:
        if item.error is None:
            with item.isolate_errors():
                item.progress.work("sampling", STEP_COST, step=position.step, num_steps=position.num_steps)
