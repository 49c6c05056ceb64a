"""Edit decision lists (CMX 3600): the plainest cut there is, by reels, clip names and timecodes."""
