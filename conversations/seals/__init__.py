"""Takes the lines of the trail, leaves them sealed: nothing can be changed, taken out or put in without being found.

`seal` closes what is surely finished and notes it in the anchor file; `verify` looks at everything. The rules are in
docs/audit.md.
"""

from conversations.seals.sealing import SealingRests, seal
from conversations.seals.verifying import Report, verify

__all__ = ["Report", "SealingRests", "seal", "verify"]
