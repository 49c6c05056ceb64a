"""The model side of Selva Bridge: video and prompts in, waveforms and stems out; and the ground floor of all rooms.

Importing this package loads nothing heavy: network, video reader and sampler are in modules of their own.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
