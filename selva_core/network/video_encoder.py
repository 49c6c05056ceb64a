"""Text-steered video encoder: the events of the video that the prompt names (arXiv 2512.02650, section 3).

The first half, `encode_segments`, is a Motionformer with divided space-time attention (arXiv 2106.05392, with the weights
of arXiv 2401.16423); it does not depend on the text, so that its tokens are reused for every prompt, seed and window. The
second half, `steer`, reads the text and returns the sync features; `steer_each` does the same for renders.

Dimensions: B prompts, S segments, F frames of a segment, T tubelets along time of a segment, P patches of a frame, L text
tokens, K [SUP] tokens, D width, H heads, R rows, one per tubelet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network._divided_blocks import DividedBlock
from selva_core.network._layers import GatedMlp, check_shape, draw_normal
from selva_core.network._steering import CrossBlock, SpaceAggregation
from selva_core.network._strassen import held_sums

_WIDE = 192  # narrower ones gain nothing, and keep their numbers to the last bit
_ROWS_AT_A_TIME = 1568  # a segment of the published sizes, of which everything fits in a last cache


def cut_segments(frames: Tensor, spec: VideoEncoderSpec) -> Tensor:
    """Overlapping segments of consecutive frames, as a view.

    frames: (num_frames, 3, size, size); returns (S, F, 3, size, size). Fewer frames than one segment has are padded by
    repeating the last one. Frames after the last whole segment are left out.
    """
    check_shape("frames", frames, (None, 3, spec.frame_size_px, spec.frame_size_px))
    num_missing = spec.segment_num_frames - frames.shape[0]
    if num_missing > 0:
        frames = torch.cat([frames, frames[-1:].expand(num_missing, -1, -1, -1)])
    windows = frames.unfold(0, spec.segment_num_frames, spec.segment_hop_frames)
    return rearrange(windows, "s c y x f -> s f c y x")


class VideoEncoder(nn.Module):
    """The text-steered video encoder; attribute names are the published ones."""

    def __init__(self, spec: VideoEncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.sup_text_feat = nn.Parameter(draw_normal(spec.num_sup_tokens, spec.text_width, spread=0.02))
        self.vfeat_extractor = Motionformer(spec)
        self.text_proj = nn.Sequential(
            nn.Linear(spec.text_width, spec.width), nn.SiLU(), GatedMlp(spec.width, spec.gated_width)
        )
        self.synch_text_cross_blocks = nn.ModuleList(
            CrossBlock(spec.width, spec.num_heads, spec.gated_width) for _ in range(spec.num_cross_blocks)
        )

    def encode_segments(self, segments: Tensor) -> Tensor:
        """The text-free half.

        segments: (S, F, 3, size, size), -1..1, at the encoder's frame rate; returns tokens (S, T, P, D).
        """
        spec = self.spec
        size = spec.frame_size_px
        check_shape("segments", segments, (None, spec.segment_num_frames, 3, size, size))
        tokens: Tensor = self.vfeat_extractor(segments)
        return tokens

    @contextmanager
    def many_segments(self) -> Iterator[None]:
        """Prepare for calls of `encode_segments` without a gradient: on a CPU wide encoders take a twentieth less time in
        float32, for memory that is given back at the end (0.4 GB at the published sizes). Numbers differ by rounding.
        """
        with held_sums(self.vfeat_extractor):
            yield

    def steer(self, tokens: Tensor, text_states: Tensor, text_mask: Tensor) -> Tensor:
        """The half that reads the text.

        tokens: (S, T, P, D) of one clip for all prompts, or (B, S, T, P, D), one clip per prompt; text_states:
        (B, L, text_width), T5's last hidden states; text_mask: (B, L), true or 1 where there is text. Returns sync features
        (B, S * T, D).
        """
        return self.steer_and_attend(tokens, text_states, text_mask)[0]

    def steer_and_attend(
        self, tokens: Tensor, text_states: Tensor, text_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`steer`, with the places that its last layer reads: attention (B, S * T, H, P), float32, summing to 1 over P."""
        spec = self.spec
        check_shape("text_states", text_states, (None, None, spec.text_width))
        num_prompts, num_tokens = text_states.shape[:2]
        check_shape("text_mask", text_mask, (num_prompts, num_tokens))
        if tokens.ndim == 4:
            tokens = tokens.unsqueeze(0)
        num_clips = num_prompts if tokens.shape[0] == num_prompts else 1
        check_shape("tokens", tokens, (num_clips, None, spec.num_times, spec.num_patches, spec.width))

        text, mask = self._project_text(text_states, text_mask)
        num_segments = tokens.shape[1]
        x = rearrange(tokens, "b s t p d -> b (s t p) d")
        for block in self.synch_text_cross_blocks:
            x = block(x, text, mask)
        x = rearrange(x, "b (st p) d -> (b st) p d", p=spec.num_patches)
        features, attention = self.vfeat_extractor.spatial_attn_agg.gather(x)
        num_times = num_segments * spec.num_times
        return (
            rearrange(features, "(b st) d -> b st d", st=num_times),
            rearrange(attention, "(b st) h p -> b st h p", st=num_times),
        )

    def steer_each(self, tokens: Tensor, texts: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """`steer_and_attend` by each of several prompts over one clip; what a prompt gives does not depend on the others.

        tokens: (S, T, P, D); texts: (1, L, text_width) each, T5's last hidden states without padding. Returns features
        (1, S * T, D) and attention (1, S * T, H, P) of each. On a CPU wide ones take 0.77 of
        the time of a call (one prompt) to 0.66 of that of four.
        """
        if self.spec.width < _WIDE or tokens.device.type != "cpu" or torch.is_grad_enabled():
            return [
                self.steer_and_attend(tokens, text, text.new_ones(text.shape[:2], dtype=torch.bool))
                for text in texts
            ]
        spec = self.spec
        check_shape("tokens", tokens, (None, spec.num_times, spec.num_patches, spec.width))
        for text in texts:
            check_shape("text", text, (1, None, spec.text_width))
        blocks = cast(Sequence[CrossBlock], self.synch_text_cross_blocks)
        prompts = [self._project_text(text, text.new_ones(text.shape[:2]))[0][0] for text in texts]
        readings = [[block.read_text(prompt) for block in blocks] for prompt in prompts]
        aggregation = self.vfeat_extractor.spatial_attn_agg
        query = aggregation.build_query()
        parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in texts]
        with held_sums(self.synch_text_cross_blocks):
            for frames in torch.split(tokens.flatten(0, 1), max(_ROWS_AT_A_TIME // spec.num_patches, 1)):
                rows = frames.flatten(0, 1)
                shared = blocks[0].attn.project_video(rows)
                for reading, of_prompt in zip(readings, parts, strict=True):
                    x = blocks[0].steer_rows(rows, shared, reading[0])
                    for block, of_block in zip(blocks[1:], reading[1:], strict=True):
                        x = block.steer_rows(x, block.attn.project_video(x), of_block)
                    of_prompt.append(aggregation.average(x.view_as(frames), *query))
        averages = [[torch.cat(pieces) for pieces in zip(*of_prompt, strict=True)] for of_prompt in parts]
        return [(aggregation.finish(average)[None], attention[None]) for average, attention in averages]

    def forward(self, segments: Tensor, text_states: Tensor, text_mask: Tensor) -> Tensor:
        """segments (B, S, F, 3, size, size), one clip per prompt -> sync features (B, S * T, D); for training."""
        num_clips = segments.shape[0]
        tokens = self.encode_segments(segments.flatten(0, 1))
        return self.steer(rearrange(tokens, "(b s) t p d -> b s t p d", b=num_clips), text_states, text_mask)

    def _project_text(self, text_states: Tensor, text_mask: Tensor) -> tuple[Tensor, Tensor]:
        """[SUP] vectors and text states at the encoder's width (B, K + L, D), and their attention mask (B, K + L)."""
        num_prompts = text_states.shape[0]
        dtype = self.sup_text_feat.dtype
        sup = repeat(self.sup_text_feat, "k d -> b k d", b=num_prompts)
        text = self.text_proj(torch.cat([sup, text_states.to(dtype)], dim=1))
        sup_mask = text_mask.new_ones(sup.shape[:2], dtype=torch.bool)
        return text, torch.cat([sup_mask, text_mask.bool()], dim=1)


class Motionformer(nn.Module):
    """Segments to tokens; also holds the spatial aggregation, which the published key names put here."""

    def __init__(self, spec: VideoEncoderSpec) -> None:
        super().__init__()
        width = spec.width
        self.cls_token = nn.Parameter(draw_normal(1, 1, width, spread=0.02))
        self.pos_embed = nn.Parameter(draw_normal(1, 1 + spec.num_patches, width, spread=0.02))
        self.temp_embed = nn.Parameter(draw_normal(1, spec.num_times, width, spread=0.02))
        self.patch_embed_3d = TubeletEmbedding(width, spec.tubelet_frames, spec.patch_px)
        self.blocks = nn.ModuleList(
            DividedBlock(width, spec.num_heads, spec.mlp_width) for _ in range(spec.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.spatial_attn_agg = SpaceAggregation(width, spec.num_heads, spec.mlp_width)

    def forward(self, segments: Tensor) -> Tensor:
        """segments (S, F, 3, size, size) -> tokens (S, T, P, D)."""
        patches: Tensor = self.patch_embed_3d(segments)
        num_segments, num_times, num_patches, _ = patches.shape
        patches = patches + self.pos_embed[:, None, 1:] + self.temp_embed[:, :, None]
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(num_segments, -1, -1)
        x = torch.cat([cls, rearrange(patches, "s t p d -> s (t p) d")], dim=1)
        for block in self.blocks:
            x = block(x, num_times, num_patches)
        patches = rearrange(x[:, 1:], "s (t p) d -> s t p d", t=num_times)
        tokens: Tensor = self.norm(patches)
        return tokens


class TubeletEmbedding(nn.Module):
    """One token per tubelet: a 3-D convolution whose kernel is its stride, computed as one matrix product."""

    def __init__(self, width: int, tubelet_frames: int, patch_px: int) -> None:
        super().__init__()
        kernel = (tubelet_frames, patch_px, patch_px)
        self.proj = nn.Conv3d(3, width, kernel, stride=kernel)

    def forward(self, segments: Tensor) -> Tensor:
        """segments (S, F, 3, size, size) -> (S, T, P, D)."""
        frames, height, width = self.proj.kernel_size
        tubelets = rearrange(
            segments.to(self.proj.weight.dtype),
            "s (t f) c (y a) (x b) -> s t (y x) (c f a b)",
            f=frames,
            a=height,
            b=width,
        )
        return F.linear(tubelets, self.proj.weight.flatten(1), self.proj.bias)
