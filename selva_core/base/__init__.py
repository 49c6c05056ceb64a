"""The ground floor: errors, exact numbers, limits, media values and safe files. Every room may import it; it imports no room.

Standard library only, except that `paths` asks platformdirs and `file_lock` stands on filelock.
"""
