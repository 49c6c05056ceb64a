"""The panel opened from a host application: its snapshot as a cut, and placing back into it."""
