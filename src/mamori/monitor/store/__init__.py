"""Delivery to Redis or Valkey Streams, and the embedded server."""
