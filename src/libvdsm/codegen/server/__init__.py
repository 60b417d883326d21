"""Emitter of what the daemon's rooms share: ``interfaces/generated``."""
