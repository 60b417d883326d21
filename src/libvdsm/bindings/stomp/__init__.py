"""STOMP for clients of the broker and of the bridge: what frames mean.

``endpoint`` is what a listener is given, ``session`` one connection's conversation, ``greeting`` how it begins, ``consumer`` what a
subscription receives, ``messages`` the table between frames and the broker's messages, ``calls`` the options beside calls,
``receipts`` and ``transactions`` what a client waits for, ``beats`` signs of life, ``pace`` what old clients need.
Octets become frames in ``wire.stomp``.
"""
