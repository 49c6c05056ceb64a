"""Engines: what loads a model by its name and renders with it. `load_engine` is the public entrance.

Importing this package loads neither torch nor av; the engine's own module does.
"""

from selva_core.engines.registry import load_engine

__all__ = ["load_engine"]
