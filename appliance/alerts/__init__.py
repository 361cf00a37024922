"""Telling people outside what is wrong: what is told when, and how it gets there."""
