"""Emitter of the OpenRPC document that ``Schema.discover`` answers."""
