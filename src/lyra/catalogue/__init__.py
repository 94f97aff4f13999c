"""Spotify's public catalogue, for all listeners together; nothing of a listener is kept here.

items     what the catalogue holds: a track, an album or an artist, as a search shows it
folding   the form in which two spellings of one name are equal
editions  a title taken apart: the song, its guests, the edition
matching  which of a search's items is the one that was asked for

Begin with `matching.find_match`.
"""
