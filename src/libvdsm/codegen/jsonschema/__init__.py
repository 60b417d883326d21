"""Emitter of JSON Schema 2020-12; its types also serve OpenRPC."""
