"""What is noticed of frames while they are read, for the warnings of results."""
