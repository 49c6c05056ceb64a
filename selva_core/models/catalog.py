"""The model table: what each model is, the files it needs, where they are stored, and their licences.

A model is a row of `MODELS`. This module is light: it imports neither torch nor av.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import platformdirs

from selva_core.base.command_line import selva_command
from selva_core.base.errors import ConfigurationError, UnknownModelError
from selva_core.base.limits import DEFAULT_STEPS, DRAFT_STEPS
from selva_core.base.misspelling import suggest
from selva_core.base.paths import APP_NAME
from selva_core.base.settings import load_settings
from selva_core.models.licences import PUBLISHED_LICENCES, Licence
from selva_core.models.nano_spec import NANO_SPEC
from selva_core.models.record import InstalledFile, Record, load_record
from selva_core.models.specs import (
    GENERATOR_LARGE_44K,
    GENERATOR_MEDIUM_44K,
    GENERATOR_SMALL_16K,
    GENERATOR_SMALL_44K,
    ModelSpec,
    build_published_spec,
)

BUNDLED_WEIGHTS_DIR = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """The tensors of a published file that are stored, as safetensors.

    keys: a regular expression that matches the whole names of those. size_bytes: what they take. whole_is_read: whether the
    published file in whole, which versions up to 0.1.0 stored, serves as well.
    """

    stored_name: str
    keys: str
    size_bytes: int
    whole_is_read: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """One file of a model.

    repository: a repository of the Hugging Face hub, or None for a file that comes with this package. other_paths: further
    names under which its authors publish or document it. size_bytes: as published, rounded. md5: hex, or None where none is
    published. excerpt: where only some tensors of the published file are stored, which and as what.
    """

    repository: str | None
    path: str
    size_bytes: int
    md5: str | None = None
    other_paths: tuple[str, ...] = ()
    excerpt: Excerpt | None = None

    @property
    def relative_path(self) -> Path:
        """Its path under the folder of weights; models that share a file share it on disk."""
        path = PurePosixPath(self.path)
        return Path(self._folder, path.with_name(self.excerpt.stored_name) if self.excerpt else path)

    @property
    def relative_paths(self) -> tuple[Path, ...]:
        """All paths at which it is found: `relative_path`, its other names, and the whole file where an excerpt is enough."""
        others = (self.path, *self.other_paths) if self.excerpt is None or self.excerpt.whole_is_read else ()
        return tuple(dict.fromkeys((self.relative_path, *(Path(self._folder, path) for path in others))))

    @property
    def stored_bytes(self) -> int:
        """What it takes on disk, about."""
        return self.excerpt.size_bytes if self.excerpt else self.size_bytes

    @property
    def _folder(self) -> str:
        return self.repository.replace("/", "--") if self.repository else ""


@dataclass(frozen=True, kw_only=True)
class PresenceCalibration:
    """How a model's presence is read (see `selva_core.base.evidence`).

    file: the fitted parameters, which do not change the sound and do not count as weights. threshold: presence in a whole clip
    below which the thing counts as absent. max_texture: the most that pictures of training have (see
    `selva_core.inference.token_encoder.measure_texture`); one with more is unlike them.
    """

    file: ModelFile
    threshold: float
    max_texture: float


@dataclass(frozen=True, kw_only=True)
class Model:
    """One row of the table.

    knows: the sounds it can make, as a phrase for lists. licences: to show before a download; their sentences are stored
    with every result. spec: sizes of the network, or None for an engine without one. files: by role, the parts of the network and
    the tokenizers. presence: None where nothing is calibrated, and presence is a hint. lexicon: the words of training, of a
    model that was trained for a few sounds; it does not count among the model's weights. is_listed: whether lists show it.
    usual_steps: of the sampler, by quality (see `selva_core.base.render_options.QUALITIES`).
    """

    model_id: str
    knows: str
    licences: tuple[Licence, ...]
    spec: ModelSpec | None
    files: Mapping[str, ModelFile] = field(default_factory=dict)
    presence: PresenceCalibration | None = None
    lexicon: ModelFile | None = None
    is_listed: bool = True
    usual_steps: Mapping[str, int] = field(
        default_factory=lambda: {"final": DEFAULT_STEPS, "draft": DRAFT_STEPS}
    )

    @property
    def is_bundled(self) -> bool:
        """Whether its files come with this package and not from a download."""
        return all(file.repository is None for file in self.files.values())

    @property
    def size_bytes(self) -> int:
        """Of the files as they are stored."""
        return sum(file.stored_bytes for file in self.files.values())

    @property
    def allows_commercial(self) -> bool:
        """Whether every licence allows work that is paid."""
        return all(licence.allows_commercial for licence in self.licences)


_SELVA = "jnwnlee/SelVA"
_BIGVGAN_44K = "nvidia/bigvgan_v2_44khz_128band_512x"
_T5 = "google/flan-t5-base"
_CLIP = "apple/DFN5B-CLIP-ViT-H-14-384"

_TEXT_AND_VIDEO_FILES = {
    "clip_text": ModelFile(
        repository=_CLIP,
        path="open_clip_pytorch_model.bin",
        size_bytes=3_900_000_000,
        excerpt=Excerpt(
            stored_name="open_clip_text.safetensors", keys=r"(?!visual\.).*", size_bytes=1_412_000_000
        ),
    ),
    "clip_tokenizer": ModelFile(repository=_CLIP, path="tokenizer.json", size_bytes=2_200_000),
    "t5": ModelFile(
        repository=_T5,
        path="model.safetensors",
        size_bytes=990_000_000,
        excerpt=Excerpt(
            stored_name="encoder.safetensors",
            keys=r"shared\.weight|encoder\..*",
            size_bytes=438_500_000,
            whole_is_read=True,
        ),
    ),
    "t5_tokenizer": ModelFile(repository=_T5, path="tokenizer.json", size_bytes=2_400_000),
    "video_encoder": ModelFile(
        repository=_SELVA,
        path="weights/video_enc_sup_5.pth",
        size_bytes=540_000_000,
        md5="ff09a6dc36148536ee4db97eba081d05",
    ),
}
_AUDIO_FILES_16K = {
    "vae": ModelFile(
        repository=_SELVA,
        path="ext_weights/v1-16.pth",
        size_bytes=687_000_000,
        md5="69f56803f59a549a1a507c93859fd4d7",
    ),
    "vocoder": ModelFile(
        repository=_SELVA,
        path="ext_weights/best_netG.pt",
        size_bytes=449_000_000,
        md5="eeaf372a38a9c31c362120aba2dde292",
    ),
}
_AUDIO_FILES_44K = {
    "vae": ModelFile(
        repository=_SELVA,
        path="ext_weights/v1-44.pth",
        size_bytes=1_220_000_000,
        md5="fab020275fa44c6589820ce025191600",
    ),
    "vocoder": ModelFile(repository=_BIGVGAN_44K, path="bigvgan_generator.pt", size_bytes=489_000_000),
}


def _generator_file(name: str, size_bytes: int, md5: str, *, other_names: tuple[str, ...] = ()) -> ModelFile:
    return ModelFile(
        repository=_SELVA,
        path=f"weights/{name}",
        size_bytes=size_bytes,
        md5=md5,
        other_paths=tuple(f"weights/{other}" for other in other_names),
    )


_KNOWS_ALL_EFFECTS = "sound effects of all kinds, as described in English; no speech, no songs"

_NANO_FILES = {
    role: ModelFile(repository=None, path=f"selva-nano/{name}", size_bytes=size_bytes)
    for role, name, size_bytes in (
        ("clip_text", "clip_text.safetensors", 536_232),
        ("t5", "t5.safetensors", 560_880),
        ("video_encoder", "video_encoder.safetensors", 1_669_488),
        ("generator", "generator.safetensors", 8_521_896),
        ("vae", "vae.safetensors", 2_476_084),
        ("vocoder", "vocoder.safetensors", 1_316_078),
        ("tokenizer", "tokenizer.json", 89_047),
        ("known_prompts", "known_prompts.safetensors", 27_156),
    )
}

_NANO_PRESENCE = PresenceCalibration(
    file=ModelFile(repository=None, path="selva-nano/presence.safetensors", size_bytes=13_484),
    threshold=0.6,  # from 80 scenes on which nothing was fitted: python -m selva_core.training presence
    max_texture=0.05,
)

MODELS: Mapping[str, Model] = {
    model.model_id: model
    for model in (
        Model(
            model_id="selva-nano",
            knows="a few drawn things in simple scenes: made to try the whole way on any computer, not for a mix",
            licences=(
                Licence(
                    licence_id="apache-2.0-selva-nano",
                    sentence="selva-nano: Apache-2.0, trained by this project on scenes that it makes itself.",
                    allows_commercial=True,
                ),
            ),
            spec=NANO_SPEC,
            files=_NANO_FILES,
            usual_steps={"final": 4, "draft": 2},  # scores with 4 as with 25: docs/models/selva-nano.md
            presence=_NANO_PRESENCE,
            lexicon=ModelFile(repository=None, path="selva-nano/lexicon.txt", size_bytes=2_045),
        ),
        Model(
            model_id="selva-small-16k",
            knows=_KNOWS_ALL_EFFECTS,
            licences=PUBLISHED_LICENCES,
            spec=build_published_spec(GENERATOR_SMALL_16K),
            files={
                **_TEXT_AND_VIDEO_FILES,
                "generator": _generator_file(
                    "generator_small_16k_sup_5.pth", 629_000_000, "1cb0f0deec52de37f67b1fd9965337d0"
                ),
                **_AUDIO_FILES_16K,
            },
        ),
        *(
            Model(
                model_id=f"selva-{size}-44k",
                knows=_KNOWS_ALL_EFFECTS,
                licences=PUBLISHED_LICENCES,
                spec=build_published_spec(generator),
                files={
                    **_TEXT_AND_VIDEO_FILES,
                    # The repository has the one name, its documentation the other.
                    "generator": _generator_file(
                        f"generator_{size}_44khz_sup_5.pth",
                        size_bytes,
                        md5,
                        other_names=(f"generator_{size}_44k_sup_5.pth",),
                    ),
                    **_AUDIO_FILES_44K,
                },
            )
            for size, generator, size_bytes, md5 in (
                ("small", GENERATOR_SMALL_44K, 630_000_000, "d4df8569624093ac80af99b8b7434525"),
                ("medium", GENERATOR_MEDIUM_44K, 2_490_000_000, "e9157e62b4863ad306e89e8f3a587748"),
                ("large", GENERATOR_LARGE_44K, 4_120_000_000, "ab3db08b124d3aaa53eb7a1f52f1fb3f"),
            )
        ),
        Model(
            model_id="selva-echo",
            knows="a click for each flash of the picture: measures the way from cut to stem, makes no real sound",
            licences=(
                Licence(
                    licence_id="apache-2.0-selva-echo",
                    sentence="selva-echo: Apache-2.0, it has no weights.",
                    allows_commercial=True,
                ),
            ),
            spec=None,
            is_listed=False,
        ),
    )
}


def find_model(model_id: str) -> Model:
    """The row of that name.

    Raises UnknownModelError, which lists the names that are known.
    """
    model = MODELS.get(model_id)
    if model is None:
        known = [row.model_id for row in listed_models()]
        raise UnknownModelError(
            f"no model is called {model_id!r}; models are {', '.join(known)}{suggest(model_id, known)}",
            model=model_id,
            known=known,
        )
    return model


def has_calibrated_presence(model_id: str) -> bool:
    """Whether a model knows what is absent, and not only hints at it. Raises UnknownModelError."""
    return find_model(model_id).presence is not None


def listed_models() -> tuple[Model, ...]:
    """The rows that lists show, smallest model first."""
    return tuple(model for model in MODELS.values() if model.is_listed)


def allowed_models() -> tuple[Model, ...]:
    """The listed models that the setting `only_commercial_models` leaves."""
    only_commercial = load_settings().only_commercial_models
    return tuple(model for model in listed_models() if model.allows_commercial or not only_commercial)


def default_models_dir() -> Path:
    """The folder of downloaded weights: the setting `models_dir`, else in the platform's folder for user data.

    Raises ConfigurationError.
    """
    chosen = load_settings().models_dir
    return chosen or Path(platformdirs.user_data_dir(APP_NAME, appauthor=False)) / "models"


def require_allowed(model: Model) -> None:
    """Raises ConfigurationError where the setting `only_commercial_models` refuses the model."""
    if model.allows_commercial or not load_settings().only_commercial_models:
        return
    reasons = " ".join(licence.sentence for licence in model.licences if not licence.allows_commercial)
    allowed = [row.model_id for row in listed_models() if row.allows_commercial]
    raise ConfigurationError(
        f"{model.model_id} is not for paid work, and the setting only_commercial_models refuses it. {reasons} "
        f"Allowed: {', '.join(allowed)}. To use it for other work: "
        f"{selva_command('config', 'set', 'only_commercial_models', 'false')}",
        model=model.model_id,
        name="only_commercial_models",
    )


def file_path(file: ModelFile, models_dir: Path) -> Path:
    """The path that a model's file gets when it is installed."""
    return _root(file, models_dir) / file.relative_path


def installed_files(model: Model, models_dir: Path) -> dict[str, Path]:
    """The model's files that are installed and as long as they should be, by role."""
    record = load_record(models_dir) if not model.is_bundled else Record()
    paths = {role: find_file(file, models_dir, record) for role, file in model.files.items()}
    return {role: path for role, path in paths.items() if path is not None}


def missing_files(model: Model, models_dir: Path) -> dict[str, ModelFile]:
    """The model's files that are not installed, by role; empty for an installed model."""
    installed = installed_files(model, models_dir)
    return {role: file for role, file in model.files.items() if role not in installed}


def find_file(file: ModelFile, models_dir: Path, record: Record) -> Path | None:
    """Where the file is installed, under whichever of its names."""
    root = _root(file, models_dir)
    return next(
        (root / path for path in file.relative_paths if _is_whole(root / path, record.find(path))), None
    )


def _root(file: ModelFile, models_dir: Path) -> Path:
    return BUNDLED_WEIGHTS_DIR if file.repository is None else models_dir


def _is_whole(path: Path, row: InstalledFile | None) -> bool:
    """As far as can be seen without reading: it has the recorded size, or was put there by hand and has none yet."""
    try:
        status = path.stat()
    except OSError:
        return False
    is_file = stat.S_ISREG(status.st_mode)
    return is_file and (row is None or (status.st_size == row.size_bytes and not row.is_damaged))
