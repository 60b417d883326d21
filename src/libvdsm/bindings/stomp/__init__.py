"""STOMP for clients of the broker and of the bridge: what frames mean.

``endpoint`` is what a listener is given, ``session`` one connection's conversation, ``greeting`` how it begins, ``consumer`` what a
subscription receives, ``messages`` the table between frames and the broker's messages, ``replies`` calls, ``beats`` signs of life,
``pace`` what old clients need. Octets become frames in ``wire.stomp``.
"""
