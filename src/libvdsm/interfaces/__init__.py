"""Promises between rooms: generated types, and the Protocols by which rooms know each other."""
