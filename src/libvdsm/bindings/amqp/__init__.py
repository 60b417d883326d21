"""AMQP 1.0 for clients of the broker and of the bridge: what addresses, links and messages mean.

``endpoint`` is what a listener is given, ``conversation`` one connection's, ``login`` how it proves who it is, ``terminus`` what
addresses stand for, ``consumer`` what a receiving link gets, ``messages`` the table between AMQP's messages and the broker's.
Frames, sessions and links are in ``wire.amqp``.
"""
