"""X over its API v2.

wire.py is what travels, problems.py what its refusals mean, client.py the calls, stream.py the filtered
stream, texts.py and length.py X's ways with text, adapter.py the network as the walk sees it.
"""
