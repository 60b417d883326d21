"""The hypervisors: libvirt, and a simulated one."""
