"""Settings for desk phones: which phone asks, what it is told, in its own maker's format."""
