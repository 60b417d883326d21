"""Emitter of the reference in Markdown: a page per interface, the errors, the permissions."""
