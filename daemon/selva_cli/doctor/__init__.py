"""`selva doctor`: checks as small objects, which look at a `System` and find lines; what runs them, mends and reports."""
