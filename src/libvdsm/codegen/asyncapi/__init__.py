"""AsyncAPI: what goes over messaging, in the words that tools for messaging read."""
