"""Audio files and measurements: WAV with its metadata, stems, loudness, resampling, signatures.

Import the modules by name: the package itself loads none of them, so that looking at a signer's files or a WAV's chunks
loads neither av nor torch.
"""

__all__: list[str] = []
