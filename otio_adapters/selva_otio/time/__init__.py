"""Exact time: rates, seconds, samples and timecode of timelines and their items. Knows OpenTimelineIO, no other room."""
