"""The programs: builds everything, decides nothing else.

``supervisor`` holds the process tree together; ``front`` and ``worker`` are what it forks; ``build`` is the
composition root of both; ``config`` is what they are told.
"""
