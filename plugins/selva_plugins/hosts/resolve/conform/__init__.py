"""Conform in DaVinci Resolve: the stems of a timeline brought to the cut that it shows now."""
