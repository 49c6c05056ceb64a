"""`selva farm`: jobs for the schedulers of render farms, as they are typed and what they do."""
