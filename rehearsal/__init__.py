"""Plays the people through the front doors: the walk, the replay of real posts, and both while things break.

Of ours it imports `citisocial.servers` alone, to start and stop processes. Everything else it does as a browser
would (HTTP, OAuth redirects, WebSockets), and it counts with plain SQL: what it measures cannot help it pass.
"""
