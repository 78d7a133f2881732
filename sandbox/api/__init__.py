"""X's API v2, as far as the sandbox speaks it: one module per family of endpoints, `calls` at their door."""
