"""WebSocket, the server's side (RFC 6455): frames in, messages out, and back. No I/O and no clock.

``events`` are the values, ``frames`` writes frames, ``handshake`` judges the request that asks for it, ``connection`` is
the codec of one connection. Extensions are not offered, compression among them (docs/adr/0034).
"""
