"""The guided velocity of several stems over the windows of one clip.

Dimensions: R stems, W windows, N latents of a window, C channels, S sync features of the clip, L text tokens, D width,
B runs of the generator in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from selva_core.inference.batching import BatchLimit
from selva_core.inference.sampler import guide, separate
from selva_core.inference.windows import WindowPlan
from selva_core.network import Conditions, Generator, host_copy, join_conditions

_MAX_CACHED_RUNS = 64
DRAFT_GUIDED_UNTIL = 0.6
"""In a draft, guidance ends here: it decides early what is heard, and later only sharpens it (arXiv 2404.07724)."""

Run = tuple[int, int]
"""One run of the generator: the stem's index and the window's."""


@dataclass(frozen=True, kw_only=True)
class StemConditions:
    """What the generator needs of one stem.

    sync: (1, S, D); text, negative_text: (1, L, D), the latter None without one. siblings: sync and text of the stems that this
    one is led away from.
    """

    sync: Tensor
    text: Tensor
    negative_text: Tensor | None
    siblings: tuple[tuple[Tensor, Tensor], ...] = ()


class GuidedVelocity:
    """Velocity (R, W, N, C) -> (R, W, N, C), in batches of stems and windows.

    batch_across_stems: whether runs of different stems share a batch. Without it the numbers of a stem do not depend, to
    the last bit, on what else is rendered with it; with it a GPU is used better. is_active: whether that run is
    still needed; the velocity of another is 0. guided_until: the time of the flow from which on nothing is guided, which
    halves the work of a step. separation: how far stems are led away from their siblings, while they are guided. on_batch:
    called with the runs of each finished batch.
    """

    def __init__(
        self,
        generator: Generator,
        plan: WindowPlan,
        stems: Sequence[StemConditions],
        *,
        guidance: float,
        guided_until: float = 1.0,
        separation: float = 0.0,
        limit: BatchLimit,
        batch_across_stems: bool,
        check: Callable[[], None],
        is_active: Callable[[Run], bool] = lambda run: True,
        on_batch: Callable[[Sequence[Run]], None] = lambda batch: None,
    ) -> None:
        self._generator = generator
        self._plan = plan
        self._stems = stems
        self._guidance = guidance
        self._separation = separation
        self._guided_until = guided_until if guidance != 1.0 or separation else 0.0
        self._limit = limit
        self._check = check
        self._is_active = is_active
        self._on_batch = on_batch
        runs = [[(stem, window) for window in range(len(plan.windows))] for stem in range(len(stems))]
        self._groups = [[run for group in runs for run in group]] if batch_across_stems else runs
        self._indices: dict[tuple[Run, ...], tuple[Tensor, Tensor]] = {}
        self._unconditional: dict[int, Conditions] = {}
        self._cached: dict[tuple[tuple[Run, ...], bool], Conditions] = {}

    def __call__(self, x: Tensor, t: float) -> Tensor:
        velocity = torch.zeros_like(x)

        def flow(batch: Sequence[Run]) -> None:
            self._check()
            index = self._index_of(tuple(batch), x.device)
            velocity[index] = self._guided(x[index], t, tuple(batch))
            self._on_batch(batch)

        for runs in self._groups:
            self._limit.run([run for run in runs if self._is_active(run)], flow)
        return velocity

    def _index_of(self, batch: tuple[Run, ...], device: torch.device) -> tuple[Tensor, Tensor]:
        """The stems and the windows of a batch, on the device; sent once, as batches are the same in each step."""
        if batch not in self._indices:
            stems, windows = zip(*batch, strict=True)
            self._indices[batch] = (
                host_copy.send_indices(stems, device),
                host_copy.send_indices(windows, device),
            )
        return self._indices[batch]

    def _guided(self, x: Tensor, t: float, batch: tuple[Run, ...]) -> Tensor:
        """x (B, N, C), one row per run."""
        is_guided = t < self._guided_until
        conditions = self._conditions_of(batch, is_guided=is_guided)
        # Filled on the device: a number that is copied there makes the processor wait for all work before it.
        time = torch.full((), t, device=x.device)
        if not is_guided:
            return self._generator.flow(x, time, conditions)
        # Slices, not lists of indices: those are copied to the device, which the processor would wait for.
        num_siblings = [len(self._siblings_of(run)) for run in batch]
        repeated = [x[index].expand(count, -1, -1) for index, count in enumerate(num_siblings) if count]
        velocity = self._generator.flow(torch.cat([x, x, *repeated]), time, conditions)
        conditional, unconditional, *siblings = torch.split(velocity, [len(batch), len(batch), *num_siblings])
        guided = guide(conditional, unconditional, self._guidance)
        for index, own in enumerate(siblings):
            if len(own):
                guided[index] = separate(guided[index], conditional[index], own, self._separation)
        return guided

    def _siblings_of(self, run: Run) -> tuple[tuple[Tensor, Tensor], ...]:
        return self._stems[run[0]].siblings if self._separation else ()

    def _conditions_of(self, batch: tuple[Run, ...], *, is_guided: bool) -> Conditions:
        """The runs' own conditions, then, for a guided step, those that guidance leads away from, then their siblings'.

        Computed once for short clips, at each step for long ones, whose conditions would fill the memory.
        """
        if (batch, is_guided) in self._cached:
            return self._cached[batch, is_guided]
        conditions = self._prepare(
            [(run, self._stems[run[0]].sync, self._stems[run[0]].text) for run in batch]
        )
        if is_guided:
            siblings = [(run, *sibling) for run in batch for sibling in self._siblings_of(run)]
            conditions = join_conditions(
                [
                    conditions,
                    *(self._unconditional_of(stem) for stem, _ in batch),
                    *([self._prepare(siblings)] if siblings else []),
                ]
            )
        if sum(map(len, self._groups)) <= _MAX_CACHED_RUNS:
            self._cached[batch, is_guided] = conditions
        return conditions

    def _prepare(self, parts: Sequence[tuple[Run, Tensor, Tensor]]) -> Conditions:
        """parts: of each row, the run whose window it is for, the sync features of the whole clip and the text."""
        per_segment = self._generator.spec.num_sync_per_segment
        windows = [self._plan.windows[window] for (_, window), _, _ in parts]
        cuts = [slice(w.segments.start * per_segment, w.segments.stop * per_segment) for w in windows]
        return self._generator.prepare_conditions(
            text=torch.cat([text for _, _, text in parts]),
            sync=torch.cat([sync[:, cut] for (_, sync, _), cut in zip(parts, cuts, strict=True)]),
            num_clip_frames=self._plan.num_clip_frames,
            num_latents=windows[0].num_latents,
        )

    def _unconditional_of(self, stem: int) -> Conditions:
        if stem not in self._unconditional:
            window = self._plan.windows[0]
            self._unconditional[stem] = self._generator.prepare_null_conditions(
                text=self._stems[stem].negative_text,
                num_sync=window.num_segments * self._generator.spec.num_sync_per_segment,
                num_clip_frames=self._plan.num_clip_frames,
                num_latents=window.num_latents,
            )
        return self._unconditional[stem]
