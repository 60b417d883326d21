"""Long work: what is under way, how far it is, and how it ended (DESIGN 6).

A task has exactly one final state. How the work is done, and by whom, stays with the bridge.
"""
