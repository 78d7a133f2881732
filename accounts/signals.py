"""Tells whoever keeps the record what was done to people here, in the transaction that did it."""

from django.dispatch import Signal

# A proof counts no more. handle: ProvenHandle, by: the customer's own User or a supervisor's.
handle_revoked = Signal()

# A supervisor's act on somebody's login. user, by: User; verb: login_closed, login_opened or factors_taken_away; or on
# whether they work: agent_online, agent_away or agent_offline.
supervised = Signal()

# Whether these agents are here is not what it was. agent_ids: list of int.
availability_changed = Signal()
