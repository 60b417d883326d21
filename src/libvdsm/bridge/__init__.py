"""The one door: every call of every protocol comes in here, every event goes out from here (DESIGN 2).

The steps are the same for every verb: find, authorise, validate, deduplicate, call or start a task, map errors,
record. Sockets and protocols stay outside; what a verb does is its subsystem's.
"""
