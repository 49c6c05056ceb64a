"""Conform in REAPER: the stems of a project brought to the cut that it shows now."""
