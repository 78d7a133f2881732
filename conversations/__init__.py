"""The walk, from a public post to a rated conversation. Stages never import each other: they meet in rows.

 1. sweep, push and listening: polls, webhook and stream bring posts → Mention NEW, each once, masked
 2. triage      is it for us, does somebody need help?             → Mention IGNORED with a reason, or CASED
 3. assignment  who knows the person, the language, has room?      → Case ASSIGNED
 4. outreach    an agent presses send                              → Outgoing QUEUED, Invitation UNOPENED
 5. delivery    claim, commit, call the network, record            → Outgoing SENT, Case CONTACTED
 6. (links)     the customer taps the short link                   → a Click, nothing else
 7. handoff     button, bank sign-in, handle at the network        → Invitation OPENED, SIGNED_IN, PROVEN
 8. chat.join   the customer's socket opens                        → Invitation JOINED, Case CONNECTED
 9. chat        both sides write                                   → Message with the case's next seq
10. cases       the agent resolves                                 → Case RESOLVED, Survey OFFERED
11. surveys     the customer answers                               → Survey ANSWERED
12. compliance  the network says which posts are gone              → Mention DELETED, its words with it
"""
