"""vdsmsh, the shell of a virtualization host.

Its commands, options and completion are made at run time from ``generated/commands.json``, which
``codegen.cli`` writes from the schema: no verb is typed here by hand. Of libvdsm this room imports
the client alone.
"""
