"""Emitter of the Python client's generated part: types, errors, verbs, proxies."""
