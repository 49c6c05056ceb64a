"""Scores of a model on held-back scenes: the judge, the measures, and what the steering of the encoder is worth."""
