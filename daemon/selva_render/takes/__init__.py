"""What is known of the takes of a render."""
