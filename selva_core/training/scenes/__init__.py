"""Seeded scenes: what is drawn, how it moves and sounds, and the files made of it."""
