"""Placement: stems onto stem tracks, and how their files are named. Stands on the cues, picture and time rooms."""
