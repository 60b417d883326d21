"""STOMP 1.0, 1.1 and 1.2: bytes in, frames out, and back. No I/O and no clock; what frames mean is said in ``bindings.stomp``.

``events`` has the frame and the failure, ``frames`` the grammar of one frame both ways, ``connection`` frames on a byte stream.
"""
