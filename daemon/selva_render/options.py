"""Where a render's files go and for whom they are written, and what is refused before anything is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selva_core.audio.credentials import Signer
from selva_core.base.atomic_write import check_folder_writable
from selva_core.base.errors import RequestError, UnknownModelError
from selva_core.base.render_options import RenderOptions, SamplingSettings
from selva_core.base.settings import find_settings, load_settings
from selva_core.models.catalog import (
    allowed_models,
    default_models_dir,
    find_model,
    missing_files,
    require_allowed,
)
from selva_otio.errors import TimelineWriteError
from selva_otio.formats.profiles import PLAIN, HostProfile
from selva_otio.placement.stem_names import NAMINGS
from selva_otio.timelines import check_timeline_target


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where stems go, and the timeline with them.

    timeline: the file to write; None for stems alone. profile: the host they are for; it also decides whether a stem's file
    says when on the timeline it begins (Resolve and Premiere do not find stems that do). naming: how files are named, see
    `selva_otio.placement.stem_names`. signer: who signs them (Content Credentials). best_first: whether the take plays that the
    hints put first (`selva_render.takes.hints`), not the first one.
    """

    stems_folder: Path
    timeline: Path | None = None
    profile: HostProfile = PLAIN
    naming: str = "timecode"
    signer: Signer | None = None
    best_first: bool = False

    def __post_init__(self) -> None:
        if self.naming not in NAMINGS:
            raise RequestError(f"stems are named by one of {', '.join(NAMINGS)}; got {self.naming!r}")


def choose_model(model_id: str | None) -> str:
    """The model that is named, or else the one of the settings, or else the largest one that is installed and allowed.

    Raises UnknownModelError, ConfigurationError.
    """
    if model_id is not None:
        require_allowed(find_model(model_id))
        return model_id
    setting = find_settings()["model"]
    if setting.value is not None:
        try:
            require_allowed(find_model(setting.value))
            return str(setting.value)
        except UnknownModelError as error:
            raise UnknownModelError(f"{setting.source}: {error.message}", **error.facts) from error
    installed = [model for model in allowed_models() if not missing_files(model, default_models_dir())]
    return (installed or allowed_models())[-1 if installed else 0].model_id


def settle_sampling(options: RenderOptions) -> SamplingSettings:
    """How the stems are sampled, with the number of steps that is usual for the model where none is asked for.

    Raises UnknownModelError, ConfigurationError.
    """
    return options.sampling.settle(find_model(choose_model(options.model)).usual_steps)


def default_stems_folder(timeline: Path) -> Path:
    """Where stems of a timeline go that names no folder for them: in that of the settings, or beside the timeline."""
    chosen = load_settings().stems_dir
    return timeline.parent / "stems" if chosen is None else chosen / timeline.stem


def check_options(options: RenderOptions, output: OutputOptions, *, source: Path | None = None) -> None:
    """Refuse what could not be rendered or written, before the daemon is started; writes nothing.

    source: the timeline that is read, which must not be the one that is written. Raises RequestError, UnknownModelError,
    OutputError, TimelineWriteError; UnsupportedFormatError for a kind of timeline that the host does not import or a sample
    rate that it has no session for.
    """
    if output.timeline is not None:
        check_timeline_target(output.timeline, source, output.profile)
    check_stems_folder(output.stems_folder)
    output.profile.check_sample_rate(options.sample_rate_hz)
    choose_model(options.model)
    if output.signer is not None:
        output.signer.check()


def check_stems_folder(folder: Path) -> None:
    """Whether stems can go to `folder`, which need not exist yet; makes nothing. Raises TimelineWriteError."""
    nearest = folder.absolute()
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise TimelineWriteError(f"{nearest} is a file, not a folder for stems; choose another folder")
    check_folder_writable(nearest, error=TimelineWriteError)
