"""The folder of weights: what lies in it, whether it is whole, and how files come into it, leave it and move."""
