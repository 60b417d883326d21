"""Events as Server-Sent Events (HTML Standard, 9.2) at ``/events``.

``query`` reads what a client asks for, ``frames`` writes the stream, ``endpoint`` joins them with the bridge.
"""
