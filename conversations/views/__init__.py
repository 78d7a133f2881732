"""Pages: parse, permit, one domain call, render."""
