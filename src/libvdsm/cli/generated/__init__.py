"""Written by machine from the schema; see libvdsm.codegen.cli."""
