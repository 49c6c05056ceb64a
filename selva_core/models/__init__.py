"""The models: the table of them, the sizes of their networks, their weights files and how these are fetched.

Names are imported when they are used: listing models loads no torch.
"""

from typing import TYPE_CHECKING

from selva_core.base.lazy_import import lazy_names

if TYPE_CHECKING:
    from selva_core.models.catalog import (
        MODELS,
        Model,
        ModelFile,
        default_models_dir,
        find_model,
        installed_files,
        listed_models,
        missing_files,
    )
    from selva_core.models.pull import PullProgress, PullReport, pull_model
    from selva_core.models.specs import ModelSpec

__all__ = [
    "MODELS",
    "Model",
    "ModelFile",
    "ModelSpec",
    "PullProgress",
    "PullReport",
    "default_models_dir",
    "find_model",
    "installed_files",
    "listed_models",
    "missing_files",
    "pull_model",
]

__getattr__ = lazy_names(
    __name__,
    {
        "MODELS": "selva_core.models.catalog",
        "Model": "selva_core.models.catalog",
        "ModelFile": "selva_core.models.catalog",
        "ModelSpec": "selva_core.models.specs",
        "PullProgress": "selva_core.models.pull",
        "PullReport": "selva_core.models.pull",
        "default_models_dir": "selva_core.models.catalog",
        "find_model": "selva_core.models.catalog",
        "installed_files": "selva_core.models.catalog",
        "listed_models": "selva_core.models.catalog",
        "missing_files": "selva_core.models.catalog",
        "pull_model": "selva_core.models.pull",
    },
)
