"""Calls and descriptors across a process border: JSON-RPC 2.0 in length-prefixed frames over socket pairs.

``frames`` cuts the bytes, ``channel`` carries calls and notifications both ways, ``descriptors`` passes
open files beside them, ``failures`` takes typed errors across. Nothing here knows a verb.
"""
