"""Spotting: cue sheets made of prompts, markers, metadata and cue sheet files. Stands on the picture and time rooms."""
