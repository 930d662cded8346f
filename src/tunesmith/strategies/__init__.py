"""Fine-tuning strategies: one file each, found by the name of the file."""
