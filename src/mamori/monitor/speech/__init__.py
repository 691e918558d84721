"""Framing, voice activity and the endpointer: where an utterance starts and ends."""
