# Generated from the schema by vdsm-schema; do not edit.
"""What the schema says, as the daemon's Python: types, errors, verbs, services."""

from __future__ import annotations
