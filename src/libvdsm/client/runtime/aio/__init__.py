"""The client's I/O for asyncio."""
