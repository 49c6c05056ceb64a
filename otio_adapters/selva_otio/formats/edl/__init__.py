"""Edit decision lists (CMX 3600): reels, clip names and timecodes, one edit a line."""
