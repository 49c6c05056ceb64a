"""Options that several commands take, each declared once."""
