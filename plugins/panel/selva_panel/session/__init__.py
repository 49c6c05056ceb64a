"""One open cut: its rows, stems and choices, kept in a file, and the state that pages see."""
