"""The sounds of stems as events: what a sound designer's own sampler plays on the picture."""
