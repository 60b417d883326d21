"""Certificates and their keys: made, kept, renewed and judged here, by the one process that may read them.

``files`` and ``plan`` need the standard library alone; ``authority`` makes keys with the library ``cryptography`` and is
loaded nowhere else than in the host's worker and in the child that makes the first keys (docs/adr/0018).
"""
