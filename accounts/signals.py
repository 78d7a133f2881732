"""Tells whoever keeps the record what was done to people here, in the transaction that did it."""

from django.dispatch import Signal

# A proof counts no more. handle: ProvenHandle, by: the customer's own User or a supervisor's.
handle_revoked = Signal()

# A supervisor's act on somebody's login. user, by: User; verb: login_closed, login_opened or factors_taken_away.
supervised = Signal()
