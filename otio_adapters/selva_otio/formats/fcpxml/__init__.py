"""Final Cut Pro XML (.fcpxml), read and written with exact times."""
