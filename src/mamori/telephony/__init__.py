"""Call audio in, and nothing else: wire protocols, codecs, the server and the client."""
