"""Conform: where the shots of a rendered timeline went in a new cut, and its stems moved and trimmed after them. Stands on the
cues, placement and formats rooms.
"""
