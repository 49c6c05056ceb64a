"""Each package exports the names that its users need, and importing it loads nothing heavy but the network."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import selva_core.base

EXPORTS = {
    "selva_core": {"__version__"},
    "selva_core.audio": {
        "Loudness",
        "LoudnessMeter",
        "Signer",
        "StemFile",
        "StemReport",
        "read_provenance",
        "read_stem_file",
        "sign_stem",
        "write_stem",
    },
    "selva_core.base": {module.name for module in pkgutil.iter_modules(selva_core.base.__path__)},
    "selva_core.engine": {
        "BatchRequest",
        "Engine",
        "Evidence",
        "Extension",
        "FeatureStore",
        "RedoneStretch",
        "REDO_MARGIN_S",
        "RenderProgress",
        "SamplingSettings",
        "StemRequest",
        "Waveform",
    },
    "selva_core.engines": {"load_engine"},
    "selva_core.inference": set[str](),
    "selva_core.models": {
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
    },
    "selva_core.network": {
        "ClipTextEncoder",
        "Conditions",
        "Generator",
        "MelSpectrogram",
        "Network",
        "Posterior",
        "T5TextEncoder",
        "Vae",
        "VideoEncoder",
        "Vocoder",
        "bake_weights",
        "build_network",
        "cut_segments",
        "join_conditions",
        "load_network",
        "save_part",
    },
    "selva_core.training": set[str](),
    "selva_core.video": {
        "FrameSource",
        "ImagePattern",
        "SequenceFiles",
        "count_frames",
        "find_images",
        "iter_frames",
        "open_picture",
        "probe_media",
        "read_frames",
        "write_proxy",
    },
}


@pytest.mark.parametrize("package", EXPORTS)
def test_a_package_exports_what_is_meant(package: str) -> None:
    module = import_module(package)
    assert set(module.__all__) == EXPORTS[package]
    for name in EXPORTS[package] - {"__version__"}:
        exported = (
            import_module(f"{package}.{name}") if package == "selva_core.base" else getattr(module, name)
        )
        assert exported is not None


def test_importing_any_package_but_the_network_loads_neither_torch_nor_av_nor_numpy() -> None:
    light = sorted(EXPORTS.keys() - {"selva_core.network"})
    program = (
        f"import {', '.join(light)}\nimport json, sys\n"
        "print(json.dumps([name for name in ('torch', 'av', 'numpy', 'transformers') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
