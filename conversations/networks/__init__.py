"""The outside world: one room per network, plain Python behind one protocol (base.py), no Django, no rows."""
