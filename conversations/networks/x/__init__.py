"""X over its API v2.

wire.py is what travels, vocabulary.py its two dialects, problems.py what its refusals mean, prices.py what its answers
cost, pace.py how fast it lets us ask. client.py are the calls, keeping.py what must stand at X, stream.py the filtered
stream and feed.py its lines, webhooks.py and pushed.py what it pushes. reading.py turns structs into posts, texts.py
and length.py are X's ways with text, adapter.py is the network as the walk sees it.
"""
