"""What a viewer sees: the visible shots of a timeline, their media and image sequences. Stands on the time room."""
