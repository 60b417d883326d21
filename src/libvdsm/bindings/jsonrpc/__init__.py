"""JSON-RPC 2.0 exactly, in the native vocabulary.

``values`` takes envelopes apart and puts answers together, ``names`` and ``errors`` translate,
``endpoint`` serves stream connections and ``http`` the path ``/rpc``. An answer's bytes are the same on
every road.

Rules where the specification leaves a choice: an id is a string of at most 256 octets as written, an
integer of any size, or null, and is echoed octet for octet; any other id is -32600 with id null. Unknown
members of a request are refused. A batch has at most 1,000 members, which are begun in order, at most 16
at a time; its answers stand in the order of its members.
"""
