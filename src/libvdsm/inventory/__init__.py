"""The current document of every object, in memory, for all reads of state (DESIGN 2, 5).

It composes what subsystems observe with what was desired, and has the journal record each difference.
No hypervisor, no protocol and no policy may enter.
"""
