"""Out of the panel: into a host, into a timeline file, and as a page to send."""
