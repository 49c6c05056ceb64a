"""How selva-nano is made: seeded scenes and sounds, the stages of training, the judge and the evaluation.

Run it as `python -m selva_core.training STAGE`; docs/training.md tells the order. Nothing here is loaded at run time.
"""
