"""The REST API, one folder per version."""
