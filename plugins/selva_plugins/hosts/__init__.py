"""One module, or a few, per host application: what is known of it lies here and nowhere else."""
