"""What only builds for tests have, and no wheel carries: fault points that stop processes, and a quicker supervisor.

Standard library and ``base`` only: the supervisor loads it before its first fork. Read on in ``faults``.
"""
