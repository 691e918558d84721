"""One sans-I/O module per wire protocol: bytes and text in, call events and replies out."""
