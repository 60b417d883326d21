"""The durable record: what has changed, and what was asked for.

Rooms of the front write here and read back in order; sockets, protocols and objects' meaning stay out.
"""
