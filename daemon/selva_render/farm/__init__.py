"""Render farms: a cut as a job of a farm's scheduler (OpenJD, OpenCue), its tasks, and the step that gathers the stems."""
