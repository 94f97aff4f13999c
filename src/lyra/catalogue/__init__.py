"""Spotify's public catalogue, for all listeners together; nothing of a listener is kept here.

items     what the catalogue holds: a track, an album or an artist, as a search shows it
folding   the form in which two spellings of one name are equal
editions  a title taken apart: the song, its guests, the edition
matching  which of a search's items is the one that was asked for
queries   the words of a search
results   a search's answer, read with tolerance
budgets   how many searches there may be
shared_results  what searches have found, for all processes
search    searches: kept for all listeners, one call per query at a time
finder    several wanted items at once, each with how it went
free_search  a search with words of one's own
known     whether a listener's data hold an item: computed, never kept
novelty   why an item is new to a listener, in a sentence
views     what is asked for and what was found, as plain data

Begin with `finder.find_items`.
"""
