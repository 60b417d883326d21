"""Files for browsers: pages at ``/docs/``, and those of a web console at ``/ui/``.

``files`` reads them once, when the daemon starts; ``pages`` makes those that describe the API; ``endpoint`` answers. What is
served is what is in memory: no request ever names a file of this host.
"""
