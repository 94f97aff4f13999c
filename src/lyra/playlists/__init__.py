"""Playlists that are proposed, confirmed by the listener, and saved at Spotify exactly as shown.

proposal    what is kept of a proposed playlist, and how far its saving has come
selection   which of the wanted tracks are proposed: duplicates, length, what is known; pure
proposals   proposals by their ids: made, found by their owner alone, dismissed, forgotten
saver       saves a proposal once, whatever fails on the way: begin here
spotify     the calls to Spotify that saving takes
save_limit  how many playlists a listener may save in a day
views       a proposal and a saved playlist, as plain data for programs
"""
