"""Mention detection: which of the listener's tracks, artists and playlists an answer names.

A model could invent links, so only names that are in the listener's own data become cards.

    visible_text   what a reader sees of the answer, and what is set apart in it
    words          the form in which spellings of a word agree
    names          the data's names, found word by word
    layout         lines, sentences, and what marks enclose
    credits        which artist is named beside a title
    judge          whether a name that stands there means the item
    cards          the items that are named, each once, and their cards

Begin with `cards.find_mentions`.
"""
