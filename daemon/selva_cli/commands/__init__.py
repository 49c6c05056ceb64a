"""What `selva` can do: one module for each command or group of commands, and what several of them do."""
