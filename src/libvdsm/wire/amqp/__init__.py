"""AMQP 1.0 without sockets: types, frames, SASL, and the state of a connection as the side that is connected to.

``values`` are the types, ``performatives`` the bodies of frames, ``frames`` their borders in a stream, ``sections`` what a
message is made of, ``connection``, ``session`` and ``links`` the state machines. What addresses mean is not known here.
"""
