"""Models: which are installed and whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from selva_cli.doctor.finding import Finding, System
from selva_core.base.command_line import reinstall_command, selva_command
from selva_core.base.settings import load_settings
from selva_core.models.catalog import (
    Model,
    default_models_dir,
    installed_files,
    listed_models,
    missing_files,
)

_PARTIAL = ("*.part", "*.incomplete", "*.partial")


def check_models(system: System) -> Iterator[Finding]:
    """A line for each model of which there is anything, and for what interrupted downloads left."""
    settings = load_settings(system.paths.settings_file, environment=system.environment)
    folder = settings.models_dir or default_models_dir()
    absent = []
    for model in listed_models():
        missing = missing_files(model, folder)
        installed = installed_files(model, folder)
        if missing and not _has_part_of_its_own(model, installed):
            absent.append(model.model_id)
        else:
            lacking = _find_damage(model, folder) if model.is_bundled else []
            yield _describe(model, [*(file.path for file in missing.values()), *lacking])
    if absent:
        text = f"not installed: {', '.join(absent)}"
        yield Finding(
            title="Other models", text=f"{text}. Fetch one with: {selva_command('models', 'pull', absent[0])}"
        )
    if settings.model is not None and settings.model in absent:
        text = f"The settings name {settings.model}, which is not installed"
        yield Finding(
            title="Model of the settings",
            text=text,
            level="fault",
            remedy=selva_command("models", "pull", settings.model),
        )
    left = [path for pattern in _PARTIAL for path in folder.rglob(pattern)] if folder.is_dir() else []
    if left:
        size_bytes = sum(path.stat().st_size for path in left)
        text = (
            f"{len(left)} parts of downloads, {size_bytes / 1e9:.1f} GB, in {folder}; the next pull goes on"
        )
        yield Finding(title="Downloads", text=text, level="warning", remedy=selva_command("models", "where"))


def _has_part_of_its_own(model: Model, installed: Mapping[str, Path]) -> bool:
    """Models share all parts but the generator: one that only has shared ones was never pulled."""
    return "generator" in installed or (bool(model.files) and model.is_bundled)


def _find_damage(model: Model, folder: Path) -> list[str]:
    """Files of a small model that do not have the content they were shipped with. Large ones take minutes to read: their record
    says which were found whole when they were fetched.
    """
    from selva_core.models.store.verification import DAMAGED, verify_models  # noqa: PLC0415

    verified = verify_models([model], folder)[model.model_id]
    return [each.path.name for each in verified if each.state == DAMAGED]


def _describe(model: Model, lacking: list[str]) -> Finding:
    if not lacking:
        return Finding(title=model.model_id, text="installed and whole")
    what = f"Missing or damaged: {', '.join(lacking)}"
    if model.is_bundled:
        text = f"{what}; it comes with this package, which is not whole"
        return Finding(title=model.model_id, text=text, level="fault", remedy=reinstall_command())
    remedy = selva_command("models", "pull", model.model_id)
    return Finding(title=model.model_id, text=f"{what}; it is not whole", level="warning", remedy=remedy)
