"""The host itself: what it is, and how busy. It changes nothing on the host.

``load.build`` gives the service; ``driver`` is the contract to the outside, ``plan`` what is computed from it.
"""
