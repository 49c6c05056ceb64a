"""The model: picture and prompts in, waveforms out.

Importing this package loads nothing heavy; the network, the media reader and the sampler are imported from
their own modules by whoever runs them.
"""

__version__ = "0.1.0"
