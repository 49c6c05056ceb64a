"""What the panel shows of a timeline: its clips, its markers, and the rows of prompts that become a cue sheet."""
