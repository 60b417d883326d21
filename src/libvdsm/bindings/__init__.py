"""The shape of a call in each vocabulary: names, values and errors both ways over the bridge.

A binding holds protocol state at most; never a policy, never a host effect, never a socket.
"""
