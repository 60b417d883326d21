"""Writes the table from which vdsmsh makes its commands."""
