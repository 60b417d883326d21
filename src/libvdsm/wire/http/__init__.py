"""HTTP/1.1, the server's side, over httptools' parser (RFC 9110, RFC 9112).

``events`` are the values, ``frames`` writes heads, ``connection`` is the codec of one connection.
"""
