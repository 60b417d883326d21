"""What the generated client stands on: framing, calls, values and errors by hand, without dependencies.

``core``, ``http``, ``values`` and ``address`` do no I/O; ``aio`` and ``sync`` carry their bytes.
"""
