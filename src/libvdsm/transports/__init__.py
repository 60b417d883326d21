"""The road of bytes: accept, read, write, close; back-pressure, limits and timeouts.

A transport knows a codec and an ``Endpoint``; it does not know what a VM is. Read on in ``listener``.
"""
