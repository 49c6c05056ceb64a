"""The SelVA network: video and prompts in, waveforms out.

Importing this package loads torch; `selva_core.models.specs`, which holds the sizes, is light.
"""

# ruff: noqa: E402 - the spinning of threads is bounded before torch loads
from selva_core.base.openmp import bound_spinning

bound_spinning()

from selva_core.network._layers import bake_weights
from selva_core.network.generator import Conditions, Generator, join_conditions
from selva_core.network.mel import MelSpectrogram
from selva_core.network.network import Network, build_network, load_network
from selva_core.network.parts import save_part
from selva_core.network.text_towers import ClipTextEncoder, T5TextEncoder
from selva_core.network.vae import Posterior, Vae
from selva_core.network.video_encoder import VideoEncoder, cut_segments
from selva_core.network.vocoder import Vocoder

__all__ = [
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
]
