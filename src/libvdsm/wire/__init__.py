"""Codecs without sockets: bytes in, frozen events out, and back.

No asyncio, socket, ssl, threading or clock may enter here; time comes in as an argument. Read on in
``detect`` (which protocol is it), ``jsonstream`` and ``strict`` (JSON on a stream), ``http``.
"""
