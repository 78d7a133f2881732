"""What carries frames between sockets and rows, and knows nothing of the walk; docs/chat.md has a message's whole path.

frames: what is said on a socket. limits: how much one may say. hub: the rooms in which they sit. direct: the event
loop's own way to PostgreSQL.
"""
