"""The API of a virtualization host; see ARCHITECTURE.md. Nothing is imported here, so that each room costs only itself."""
