"""An X to develop against: takes the calls and the clicks that the real X takes, leaves posts, messages and tokens.

It plays the outside world: it speaks X's API v2 at X's paths, refuses what X refuses, and has pages on which a
person tweets, reads what was answered and answers messages. It shares no code with the rest of the project.
"""
