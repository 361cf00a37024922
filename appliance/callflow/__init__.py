"""Flows: graphs of steps that decide what becomes of a call."""
