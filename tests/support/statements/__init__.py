"""A second count of everything that Lyra tells a listener, from Spotify's raw JSON.

It shares no code with what it checks: `raw` reads the JSON in its own way, `shapes` knows every
kind of sentence and what makes it true, `listener` finds what Lyra says, `bulk` counts verdicts. A
sentence of no known shape is a fault, so that none goes unchecked.
"""
