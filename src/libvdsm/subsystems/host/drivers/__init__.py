"""The hosts that can be told about: the Linux that we run on, and a simulated one."""
