"""What the daemon does for the panel: looking, rendering, redoing a stretch, fetching models."""
