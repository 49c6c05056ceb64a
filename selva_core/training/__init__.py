"""Training of selva-nano: seeded scenes and sounds, the stages of training, the judge and the evaluation.

Run it as `python -m selva_core.training STAGE` from a checkout; docs/models/training.md gives the order of the stages.
The package is not in the wheel, and nothing outside it imports it.
"""

from selva_core.base.openmp import bound_spinning

__all__: list[str] = []

bound_spinning()  # before a module of this package loads torch
