"""Inference with the network: video to tokens, prompts to token ids, noise to latents, latents to waveforms.

The parts that engines are put together from. Nothing here knows models by name or renders whole requests; that is
`selva_core.engines`. Import the modules by name: the package itself loads none of them.
"""

from selva_core.base.openmp import bound_spinning

__all__: list[str] = []

bound_spinning()  # before a module of this package loads torch
