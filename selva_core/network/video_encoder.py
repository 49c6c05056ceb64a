"""Text-steered video encoder: the events of the video that the prompt names (arXiv 2512.02650, section 3).

The first half, `encode_segments`, is a Motionformer with divided space-time attention (arXiv 2106.05392, with the weights
of arXiv 2401.16423); it does not depend on the text, so that its tokens are reused for every prompt, seed and window. The
second half, `steer`, reads the text and returns the sync features.

Dimensions: B prompts, S segments, F frames of a segment, T tubelets along time of a segment, P patches of a frame, L text
tokens, K [SUP] tokens, D width, H heads, R rows, one per tubelet.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from selva_core.models.part_specs import VideoEncoderSpec
from selva_core.network._layers import GatedMlp, RmsNorm, check_shape, draw_normal


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


class DividedBlock(nn.Module):
    """Attention along time, attention along space, MLP, each after a LayerNorm."""

    def __init__(self, width: int, num_heads: int, mlp_width: int) -> None:
        super().__init__()
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.timeattn = DividedAttention(width, num_heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = DividedAttention(width, num_heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, mlp_width)

    def forward(self, x: Tensor, num_times: int, num_patches: int) -> Tensor:
        """x (S, 1 + T * P, D), CLS first, then time-major patches -> the same shape."""
        x = x + self.timeattn(self.norm3(x), "s h (t p) d -> (s p) h t d", num_times, num_patches)
        x = x + self.attn(self.norm1(x), "s h (t p) d -> (s t) h p d", num_times, num_patches)
        branch: Tensor = self.mlp(self.norm2(x))
        return x + branch


class DividedAttention(nn.Module):
    """CLS attends to all tokens; a patch attends to CLS and to the patches of its own group."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, grouping: str, num_times: int, num_patches: int) -> Tensor:
        """x (S, 1 + T * P, D) -> the same shape; grouping: the einops pattern that gathers a group of patches."""
        q, k, v = rearrange(self.qkv(x), "s n (qkv h d) -> qkv s h n d", qkv=3, h=self.num_heads)
        cls = F.scaled_dot_product_attention(q[:, :, :1], k, v)

        sizes = {"t": num_times, "p": num_patches}
        grouped_q = rearrange(q[:, :, 1:], grouping, **sizes)
        num_groups = grouped_q.shape[0] // x.shape[0]
        grouped_k, grouped_v = (
            torch.cat(
                [
                    repeat(y[:, :, :1], "s h one d -> (s g) h one d", g=num_groups),
                    rearrange(y[:, :, 1:], grouping, **sizes),
                ],
                dim=2,
            )
            for y in (k, v)
        )
        patches = F.scaled_dot_product_attention(grouped_q, grouped_k, grouped_v)

        before, after = grouping.split(" -> ")
        patches = rearrange(patches, f"{after} -> {before}", **sizes)
        attended = torch.cat([cls, patches], dim=2)
        mixed: Tensor = self.proj(rearrange(attended, "s h n d -> s n (h d)"))
        return mixed


class Mlp(nn.Module):
    """Linear, GELU, Linear."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden_width)
        self.fc2 = nn.Linear(hidden_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., D) -> (..., D)."""
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class CrossBlock(nn.Module):
    """Video tokens attend to the text, then a gated MLP; each branch has a LayerNorm (eps 1e-5)."""

    def __init__(self, width: int, num_heads: int, hidden_width: int) -> None:
        super().__init__()
        self.attn = CrossAttention(width, num_heads)
        self.linear1 = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=1e-5)
        self.norm2 = nn.LayerNorm(width, eps=1e-5)
        self.ffn = GatedMlp(width, hidden_width)

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """x (1 or B, N, D), text (B, L, D), text_mask (B, L) -> (B, N, D)."""
        x = x + self.norm1(self.linear1(self.attn(x, text, text_mask)))
        branch: Tensor = self.ffn(self.norm2(x))
        return x + branch


class CrossAttention(nn.Module):
    """Queries from the video, keys and values from the text; queries and keys are normalised per head."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(width, width)
        self.kv_proj = nn.Linear(width, 2 * width)
        self.q_norm = RmsNorm(width // num_heads)
        self.k_norm = RmsNorm(width // num_heads)

    def forward(self, x: Tensor, text: Tensor, text_mask: Tensor) -> Tensor:
        """x (1 or B, N, D), text (B, L, D), text_mask (B, L) -> (B, N, D)."""
        q = self.q_norm(rearrange(self.q_proj(x), "b n (h d) -> b h n d", h=self.num_heads))
        k, v = rearrange(self.kv_proj(text), "b l (h d kv) -> kv b h l d", h=self.num_heads, kv=2)
        attended = F.scaled_dot_product_attention(
            q.expand(text.shape[0], -1, -1, -1),
            self.k_norm(k),
            v.contiguous(),
            attn_mask=rearrange(text_mask, "b l -> b 1 1 l"),
        )
        return rearrange(attended, "b h n d -> b n (h d)")


class SpaceAggregation(nn.Module):
    """One vector per tubelet: a learned CLS aggregates the patches through one pre-norm transformer layer.

    Only CLS is used afterwards, so only its query and its MLP are computed.
    """

    def __init__(self, width: int, num_heads: int, mlp_width: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(draw_normal(1, 1, width, spread=0.02))
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.self_attn = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.linear1 = nn.Linear(width, mlp_width)
        self.linear2 = nn.Linear(mlp_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (R, P, D) -> (R, D)."""
        return self.gather(x)[0]

    def gather(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (R, P, D) -> vectors (R, D), and the attention of CLS over the patches (R, H, P), float32, summing to 1 over P.

        The query of CLS is the same in every row, because CLS is learned. Taken into the weights of the keys, it leaves one
        product of a width by the number of heads; the values are projected after they were averaged, one vector per head. So no
        patch goes through a square product: a fifth of steering's arithmetic is saved. A bias of the keys adds the same to
        all scores.
        """
        cls = self.cls_token[0]
        own, normed = self.norm1(cls), self.norm1(x)
        reading = self._build_reading(own)
        own_score = (own.float() @ reading.T)[..., None].expand(x.shape[0], -1, -1)
        scores = torch.cat([own_score, (normed.float() @ reading.T).transpose(1, 2)], dim=2)
        attention = scores.softmax(dim=-1)
        of_own, of_patches = attention[:, :, :1], attention[:, :, 1:]
        average = of_patches.to(x.dtype) @ normed + of_own.to(x.dtype) * own
        y = cls + self.self_attn.out_proj(self._project_values(average))
        y = y + self.linear2(F.gelu(self.linear1(self.norm2(y))))
        return y, of_patches / of_patches.sum(dim=-1, keepdim=True)

    def _build_reading(self, own: Tensor) -> Tensor:
        """own (1, D), CLS normed -> what a normed token is multiplied with for its scores: float32 (H, D)."""
        query_weight, key_weight, _ = self.self_attn.in_proj_weight.float().chunk(3)
        query_bias = self.self_attn.in_proj_bias.float().chunk(3)[0]
        num_heads, head_width = self.self_attn.num_heads, self.self_attn.head_dim
        query = rearrange(query_weight @ own[0].float() + query_bias, "(h w) -> h w", h=num_heads)
        key_weight = rearrange(key_weight, "(h w) d -> h w d", h=num_heads)
        return torch.einsum("hw,hwd->hd", query, key_weight) / math.sqrt(head_width)

    def _project_values(self, average: Tensor) -> Tensor:
        """average (R, H, D), the normed tokens under each head's attention -> the values of all heads (R, D)."""
        weight, bias = (
            part.chunk(3)[2] for part in (self.self_attn.in_proj_weight, self.self_attn.in_proj_bias)
        )
        per_head = rearrange(weight, "(h w) d -> h w d", h=self.self_attn.num_heads)
        return torch.einsum("rhd,hwd->rhw", average, per_head).flatten(1) + bias
