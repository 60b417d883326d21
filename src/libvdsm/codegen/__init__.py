"""Emitters: from the sealed description to code and documents.

This room reads ``schema.ir`` and writes text; it knows no YAML and decides nothing about the API.
One sub-room per artefact (``names``, ``types``, ``emit``), one table of them all: ``emitters``.
"""
