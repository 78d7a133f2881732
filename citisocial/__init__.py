"""Wiring only: settings, the table of contents for HTTP, WebSockets and Celery, and the servers of one machine."""
