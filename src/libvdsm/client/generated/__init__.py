# Generated from the schema by vdsm-schema; do not edit.
"""What the schema says, as the Python client has it."""

from __future__ import annotations
