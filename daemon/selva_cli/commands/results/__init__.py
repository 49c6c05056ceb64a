"""Commands that show or list what a render made."""
