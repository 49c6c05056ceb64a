"""Jobs from acceptance to their end: the queue on disk, the schedule, and the workers that run them."""
