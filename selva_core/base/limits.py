"""The limits of a request, each defined once: forms, the command line, the wire and engines check against them."""

from __future__ import annotations

MIN_STEPS, MAX_STEPS, DEFAULT_STEPS = 1, 1000, 25
"""Euler steps; 25 is the published recipe (arXiv 2512.02650)."""
DRAFT_STEPS = 8
"""Euler steps of a draft by a published model."""
MIN_GUIDANCE, MAX_GUIDANCE, DEFAULT_GUIDANCE = 0.0, 100.0, 4.5
"""Classifier-free guidance; 4.5 is the published recipe (arXiv 2512.02650)."""
MAX_SEPARATION, DEFAULT_SEPARATION = 4.0, 0.0
"""How far stems of one clip are led away from each other; 0 is not at all."""
MAX_SEED, DEFAULT_SEED = 2**63 - 1, 42
MAX_TAKES = 64
"""Takes of one cue."""
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ, DEFAULT_SAMPLE_RATE_HZ = 8_000, 192_000, 48_000
MAX_PROMPT_CHARS = 2_000
MAX_TRACK_NAME_CHARS = 100
MAX_HANDLES_S = 60
"""Sound before and after a clip, each."""
MAX_GAIN_DB = 60.0
"""Gain at which a stem is placed, up or down."""
