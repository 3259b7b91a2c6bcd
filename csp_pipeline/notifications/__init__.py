"""Telling people: templates, channels, and the outbox that remembers what was told; steps decide what to tell."""
