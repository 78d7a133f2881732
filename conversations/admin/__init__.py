"""What supervisors see and may do. Lists and stories to read; every action calls the function that agents' pages call.

States are never form fields here: there is one writer for each, and it is not the admin.
"""

from conversations.admin import (
    alarms,
    approvals,
    brand,
    budget,
    cases,
    dashboard,
    mentions,
    outgoing,
    stops,
    surveys,
    templates,
    trail,
)

__all__ = [
    "alarms",
    "approvals",
    "brand",
    "budget",
    "cases",
    "dashboard",
    "mentions",
    "outgoing",
    "stops",
    "surveys",
    "templates",
    "trail",
]
