"""Sockets: frames in, one domain call each, and what is new out. They decide nothing; docs/chat.md has the way."""
