"""Two models of the size of selva-nano that are published on a hub as the large ones are.

Their files hold real weights, so that what is looked for inside them is there: CLIP's in torch's archive beside an image
tower, T5's beside a decoder, all others as they are. The two differ in their generators alone.
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from selva_core.models.catalog import BUNDLED_WEIGHTS_DIR, Excerpt, Model, ModelFile
from selva_core.models.licences import APPLE_CLIP, BIGVGAN
from selva_core.models.nano_spec import NANO_SPEC
from tests.support.hub_server import HubServer

REPOSITORY = "lab/net"
NANO = BUNDLED_WEIGHTS_DIR / "selva-nano"
FIRST, SECOND = "selva-first", "selva-second"
_PLAIN = ("video_encoder", "vae", "vocoder")


def load_part(role: str) -> dict[str, torch.Tensor]:
    """The weights of selva-nano in 32 bits, as the large models are published."""
    tensors = load_file(NANO / f"{role}.safetensors")
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}


@cache
def published_files() -> dict[str, bytes]:
    """The content of each file by its path in the repository."""
    clip = {**load_part("clip_text"), "visual.proj": torch.ones(400_000)}
    t5 = {**load_part("t5"), "decoder.block.0.weight": torch.ones(300_000)}
    archive = io.BytesIO()
    torch.save(clip, archive)
    generator = load_part("generator")
    generator["latent_mean"] = generator["latent_mean"] + 1
    second = io.BytesIO()
    torch.save(generator, second)
    return {
        "clip.bin": archive.getvalue(),
        "t5.safetensors": save(t5),
        "tokenizer.json": (NANO / "tokenizer.json").read_bytes(),
        **{f"{name}.safetensors": save(load_part(name)) for name in _PLAIN},
        "generator_first.safetensors": save(load_part("generator")),
        "generator_second.pth": second.getvalue(),
    }


@cache
def tiny_models() -> dict[str, Model]:
    return {
        FIRST: _model(FIRST, "generator_first.safetensors"),
        SECOND: _model(SECOND, "generator_second.pth"),
    }


def publish(hub: HubServer) -> None:
    for path, content in published_files().items():
        hub.publish(REPOSITORY, path, content)


def write_files(folder: Path, *names: str) -> None:
    """The published files, or those that are named, as somebody fetched them by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in names or published_files():
        (folder / path).write_bytes(published_files()[path])


def _model(model_id: str, generator: str) -> Model:
    files = {
        "clip_text": _file(
            "clip.bin",
            has_md5=False,
            excerpt=Excerpt(
                stored_name="clip_text.safetensors", keys=r"(?!visual\.).*", size_bytes=1_070_000
            ),
        ),
        "t5": _file(
            "t5.safetensors",
            has_md5=False,
            excerpt=Excerpt(
                stored_name="t5_encoder.safetensors",
                keys=r"shared\.weight|encoder\..*",
                size_bytes=1_120_000,
                whole_is_read=True,
            ),
        ),
        "tokenizer": _file("tokenizer.json", has_md5=False),
        **{name: _file(f"{name}.safetensors", has_md5=name != "vocoder") for name in _PLAIN},
        "generator": _file(generator),
    }
    return Model(model_id=model_id, knows="", licences=(APPLE_CLIP, BIGVGAN), spec=NANO_SPEC, files=files)


def _file(path: str, *, has_md5: bool = True, excerpt: Excerpt | None = None) -> ModelFile:
    content = published_files()[path]
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() if has_md5 else None
    return ModelFile(repository=REPOSITORY, path=path, size_bytes=len(content), md5=md5, excerpt=excerpt)
