"""Write the trained parts as the weights of selva-nano: one safetensors file per part, a tokenizer, known prompts, hashes."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from selva_core.inference.lexicon import Lexicon
from selva_core.inference.prompt_coverage import average_states
from selva_core.network.parts import published_tensors
from selva_core.training.phrasings import Corpus
from selva_core.training.prompts import all_training_prompts
from selva_core.training.stages.text import TextTowers
from selva_core.training.stages.work import Variant, WorkFolder

log = logging.getLogger(__name__)

MAX_TOTAL_BYTES = 16_000_000
MIN_SIMILARITY = 0.6
"""Held-back phrasings have a higher similarity (19 in 20 above 0.7), other sounds nearly all less than 0.5."""


def ship_weights(work: WorkFolder, folder: Path) -> None:
    """Write all files into `folder` and `hashes.json` over them.

    Raises ValueError when their total size is too large for a repository.
    """
    write_parts(work, work.full, folder)
    towers = work.towers()
    save_file(build_prompt_coverage(towers), folder / "known_prompts.safetensors")
    write_lexicon(work.corpus(), folder / "lexicon.txt")
    write_hashes(folder)


def write_hashes(folder: Path) -> None:
    """Write `hashes.json` over all files of the weights in `folder`.

    Raises ValueError when their total size is too large for a repository.
    """
    hashes: dict[str, dict[str, Any]] = {
        path.name: {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size_bytes": path.stat().st_size,
        }
        for path in sorted(folder.iterdir())
        if path.suffix in (".safetensors", ".json", ".txt") and path.name != "hashes.json"
    }
    (folder / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    total = sum(row["size_bytes"] for row in hashes.values())
    log.info("selva-nano is %.1f MB in all", total / 1e6)
    if total > MAX_TOTAL_BYTES:
        raise ValueError(f"weights in the repository are at most {MAX_TOTAL_BYTES} bytes in all; got {total}")


def write_parts(work: WorkFolder, variant: Variant, folder: Path) -> dict[str, Path]:
    """Write tokenizer and networks, encoder and generator those of `variant`; returns the files by role."""
    folder.mkdir(parents=True, exist_ok=True)
    towers = work.towers()
    parts: dict[str, nn.Module] = {
        "clip_text": towers.clip,
        "t5": towers.t5,
        "video_encoder": variant.encoder().encoder,
        "generator": variant.generator(),
        "vae": work.vae(),
        "vocoder": work.vocoder(),
    }
    files = {name: folder / f"{name}.safetensors" for name in parts}
    for name, module in parts.items():
        write_part(name, module, files[name])
    files["tokenizer"] = folder / "tokenizer.json"
    tokenizer = json.loads(work.tokenizer_path.read_text(encoding="utf-8"))
    files["tokenizer"].write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return files


def write_part(name: str, module: nn.Module, path: Path) -> None:
    """Write one network, large tensors in half precision."""
    tensors = {
        key: _stored(key, tensor)
        for key, tensor in published_tensors(name, module).items()
        if not (name == "vae" and key.startswith("encoder."))  # rendering needs the decoder only
    }
    save_file(tensors, path)


def build_prompt_coverage(towers: TextTowers) -> dict[str, Tensor]:
    """The phrasings of training in the format that `selva_core.inference.prompt_coverage` reads."""
    with torch.no_grad():
        states = [towers.t5_states([prompt])[0] for _, prompt in all_training_prompts()]
    phrases = torch.cat([average_states(state) for state in states])
    return {"phrases": phrases.to(torch.float16), "least_likeness": torch.tensor(MIN_SIMILARITY)}


def write_lexicon(corpus: Corpus, path: Path) -> None:
    """Write the stems of all words that name a kind in the phrases of training, one a line."""
    lexicon = Lexicon.of(phrase for phrase, kind in zip(corpus.phrases, corpus.kinds, strict=True) if kind)
    path.write_text("".join(f"{stem}\n" for stem in sorted(lexicon.stems)), encoding="utf-8")


def _stored(key: str, tensor: Tensor) -> Tensor:
    """Half precision for matrices and kernels; vectors and fixed filters stay as they are."""
    is_table = tensor.ndim < 2 or key.endswith(
        (".filter", "latent_mean", "latent_std", "data_mean", "data_std")
    )
    stored = tensor if is_table or not tensor.is_floating_point() else tensor.to(torch.float16)
    return stored.contiguous().clone()
