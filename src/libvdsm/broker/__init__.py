"""Who hears of which change: topics, subscriptions, resume tokens, gaps (DESIGN 3).

A data structure with rules: no sockets, no protocol, no clock. Time and the loop come in as arguments.
"""
