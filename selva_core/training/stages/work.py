"""The folder of a training run: the file that each stage writes, and that the next one reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from selva_core.models.nano_spec import NANO_SPEC
from selva_core.network.generator import Generator
from selva_core.network.vae import Vae
from selva_core.network.vocoder import Vocoder
from selva_core.training.phrasings import Corpus, build_corpus, load_corpus
from selva_core.training.stages.dataset import SceneSet, load_scene_set, render_scene_set
from selva_core.training.stages.encoder import (
    EncoderWithHead,
    HeldBackPhrasebook,
    Phrasebook,
    Steering,
    train_encoder,
)
from selva_core.training.stages.generator import (
    Cache,
    build_cache,
    train_generator,
)
from selva_core.training.stages.loop import load_average
from selva_core.training.stages.text import TextTowers, load_towers, train_text, train_tokenizer
from selva_core.training.stages.vae import train_vae
from selva_core.training.stages.vocoder import train_vocoder

TRAINING_SEED = 0
GENERATOR_SEED = 200_000
VALIDATION_SEED = 900_000
NUM_VALIDATION_SCENES = 100


@dataclass(frozen=True)
class Variant:
    """An encoder, the generator trained on its features, and the cache between them; files in one folder."""

    path: Path
    steering: Steering = "full"

    @property
    def encoder_path(self) -> Path:
        return self.path / "encoder.pt"

    @property
    def generator_path(self) -> Path:
        return self.path / "generator.pt"

    def encoder(self) -> EncoderWithHead:
        model = EncoderWithHead(self.steering)
        load_average(model, self.encoder_path)
        return model.requires_grad_(False).eval()

    def generator(self) -> Generator:
        generator = Generator(NANO_SPEC.generator)
        load_average(generator, self.generator_path)
        return generator.requires_grad_(False).eval()


@dataclass(frozen=True)
class WorkFolder:
    """One training run on disk; every method can be called again and resumes from the files that exist."""

    path: Path

    def render(self, *, num_scenes: int, num_workers: int) -> None:
        """Render scenes for training, five sixths as many for the generator only, and those for validation."""
        for name, first_seed, count in (
            ("val", VALIDATION_SEED, NUM_VALIDATION_SCENES),
            ("train", TRAINING_SEED, num_scenes),
            ("generator", GENERATOR_SEED, num_scenes * 5 // 6),
        ):
            render_scene_set(
                self.path / name, first_seed=first_seed, num_scenes=count, num_workers=num_workers
            )

    def train_text(self, sentence_model: Path) -> None:
        """Corpus, tokenizer and text towers."""
        self.path.mkdir(parents=True, exist_ok=True)
        corpus = build_corpus(sentence_model, self.path / "corpus.npz")
        if not self.tokenizer_path.exists():
            train_tokenizer(corpus).save(str(self.tokenizer_path))
        train_text(corpus, Tokenizer.from_file(str(self.tokenizer_path)), self.path / "text.pt")

    def train_vae(self) -> None:
        train_vae(self.scenes("train"), self.scenes("val"), self.path / "vae.pt")

    def train_vocoder(self) -> None:
        train_vocoder(self.scenes("train"), self.scenes("val"), self.vae(), self.path / "vocoder.pt")

    def train_encoder(self) -> None:
        train_encoder(
            self.scenes("train"),
            self.scenes("val"),
            self.towers(),
            self.corpus(),
            self.full.encoder_path,
        )

    def train_generator(self) -> None:
        train_generator(
            self.cache("generator", self.full),
            self.cache("val", self.full),
            self.towers(),
            self.vae(),
            self.full.generator_path,
        )

    @property
    def full(self) -> Variant:
        """The model itself."""
        return Variant(self.path)

    def ablation(self, steering: Steering) -> Variant:
        """A variant that is trained for comparison."""
        return Variant(self.path / f"ablation-{steering}", steering)

    @property
    def tokenizer_path(self) -> Path:
        return self.path / "tokenizer.json"

    def scenes(self, name: str) -> SceneSet:
        return load_scene_set(self.path / name)

    def corpus(self) -> Corpus:
        return load_corpus(self.path / "corpus.npz")

    def towers(self) -> TextTowers:
        return load_towers(Tokenizer.from_file(str(self.tokenizer_path)), self.path / "text.pt")

    def vae(self) -> Vae:
        vae = Vae(NANO_SPEC.vae)
        load_average(vae, self.path / "vae.pt")
        return vae.requires_grad_(False).eval()

    def vocoder(self) -> Vocoder:
        vocoder = Vocoder(NANO_SPEC.vocoder)
        load_average(vocoder, self.path / "vocoder.pt")
        return vocoder.requires_grad_(False).eval()

    def cache(self, name: str, variant: Variant, *, num_scenes: int | None = None) -> Cache:
        """Latents and features of the (first) scenes called `name`; with held-back phrasings for those of the validation."""
        phrasebook = HeldBackPhrasebook() if name == "val" else Phrasebook(self.corpus())
        with torch.inference_mode(False):
            return build_cache(
                self.scenes(name).first(num_scenes),
                self.vae(),
                variant.encoder(),
                self.towers(),
                phrasebook,
                variant.path / f"cache-{name}",
            )
