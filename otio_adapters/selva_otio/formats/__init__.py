"""Timeline formats: one subpackage a format, and what they share."""
