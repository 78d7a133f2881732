"""Commands of the walk: seed, listen."""
