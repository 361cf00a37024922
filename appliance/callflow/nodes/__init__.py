"""The kinds of steps, one per file; each file's NODE is what the registry lists."""
