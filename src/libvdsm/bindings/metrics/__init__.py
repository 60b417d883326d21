"""Figures for monitoring, as Prometheus' text (exposition format 0.0.4) at ``/metrics``.

``names`` derives what figures are called from the schema, ``text`` writes them, ``machines`` keeps those of virtual machines
ready, ``sources`` has the daemon's own, ``endpoint`` answers.
"""
