"""What all commands do alike at the terminal: lines, tables and JSON, progress, error reports, stop signals."""
