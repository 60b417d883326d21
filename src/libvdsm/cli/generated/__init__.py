# Generated from the schema by vdsm-schema; do not edit.
"""The command table of vdsmsh."""
