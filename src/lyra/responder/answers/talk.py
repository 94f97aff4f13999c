"""Answers about Lyra itself, the data, and questions that counting cannot answer."""

from lyra.responder.intents import Intent
from lyra.responder.listener import SECTIONS, Listener, Section, Voice
from lyra.responder.wording import (
    bullets,
    count,
    enumerate_,
    last_plays,
    minute,
    missing,
    quote,
    share,
    title,
)

_CAN = (
    "answer questions in English about your top artists, tracks, albums and genres, what you "
    "played lately and when, and your playlists"
)
_ASK = "Ask “What can you do?” for examples."


def introduce(_: Listener, __: Intent, voice: Voice) -> str:
    """Say who answers."""
    return f"{voice.introduction} I can {_CAN}."


def help_listener(listener: Listener, _: Intent, voice: Voice) -> str:
    """Give examples of questions, with the listener's own names."""
    artists = [artist.name for artist in listener.artists[:2]]
    examples = [
        "What are my top 10 artists?",
        f"How often did I play {artists[0]}?" if artists else "",
        f"What do {artists[0]} and {artists[1]} have in common?" if artists[1:] else "",
        f"Where in my listening does {listener.genres[0].name} show?" if listener.genres else "",
        "Which of my top tracks are from the 1990s?",
        "What did I play in the evening?",
        "What have I not played lately?",
        "Which of my playlists is the longest?",
    ]
    return f"{voice.limits} I can {_CAN}, for example:\n{bullets(filter(None, examples))}"


def summarise(listener: Listener, _: Intent, __: Voice) -> str:
    """Sum up the listener in a few sentences."""
    artists = enumerate_([artist.name for artist in listener.artists[:5]])
    tracks = enumerate_([title(track) for track in listener.tracks[:3]])
    genres = enumerate_([share(genre) for genre in listener.genres[:5]])
    known = f" ({listener.genres_known_for})" if listener.genres_known_for else ""
    sentences = [
        f"At the top of Spotify's ranking of about six months stand {artists}."
        if artists[1:] and listener.artists[1:]
        else "",
        f"The only artist in Spotify's ranking is {artists}." if len(listener.artists) == 1 else "",
        f"Your highest tracks are {tracks}." if listener.tracks[1:] else "",
        f"Your only top track is {tracks}." if len(listener.tracks) == 1 else "",
        f"Your genres by weight{known}: {genres}." if genres else "",
        _playlists(listener),
        *listener.gaps.values(),
    ]
    told = " ".join(dict.fromkeys(filter(None, sentences)))
    return told or enumerate_([missing(listener, "artists"), missing(listener, "tracks")], "")


def _playlists(listener: Listener) -> str:
    read, total = len(listener.playlists), listener.playlists_total
    if not read:
        return ""
    if total is not None and total > read:
        return f"Spotify counts {total:,} playlists in your library, of which {read} were read."
    return f"{count(read, 'playlist was', 'playlists were')} read."


def name_listener(listener: Listener, _: Intent, __: Voice) -> str:
    """Say under which name Spotify has the listener."""
    if listener.name:
        return f"Your Spotify profile says {quote(listener.name)}. More than that I do not know of you."
    return "I know no name of yours."


_WORDS: dict[Section, tuple[str, str]] = {
    "artists": ("top artist", "top artists"),
    "tracks": ("top track", "top tracks"),
    "playlists": ("playlist", "playlists"),
    "genres": ("genre", "genres"),
}


def list_sections(listener: Listener, _: Intent, __: Voice) -> str:
    """Say what was read of the listener's data, and what was not, and why."""
    read = []
    for section in SECTIONS:
        number = len(getattr(listener, section))
        if section in listener.gaps or not number:
            continue
        read.append(last_plays(listener) if section == "plays" else count(number, *_WORDS[section]))
    empty = [
        missing(listener, each)
        for each in SECTIONS
        if each not in listener.gaps and not getattr(listener, each)
    ]
    if "artists" in listener.gaps:
        empty = [each for each in empty if each != missing(listener, "genres")]
    when = f", read on {minute(listener.read_at)}" if listener.read_at else ""
    told = [f"I have {enumerate_(read)}{when}."] if read else []
    return " ".join(dict.fromkeys([*told, *empty, *listener.gaps.values()]))


def explain_forgetting(_: Listener, __: Intent, ___: Voice) -> str:
    """Say how the data is forgotten; a chat message does not do that."""
    return (
        "A message cannot do that. “Forget my data” on the page makes Lyra drop at once all that it "
        "holds of your listening, as DELETE /lyra/session does for programs and /clear in "
        "`lyra chat`. “Sign out” ends the log-in as well, and at spotify.com/account/apps you take "
        "back the permission itself."
    )


def explain_privacy(_: Listener, __: Intent, voice: Voice) -> str:
    """Say what happens with the data."""
    return (
        f"{voice.privacy} Lyra holds what Spotify says of you for a limited time, to answer you, "
        "and saves a playlist only when you confirm it. “Forget my data” on the page drops it at once."
    )


def explain_new(_: Listener, __: Intent, voice: Voice) -> str:
    """Say that nothing new can be named."""
    return (
        f"{voice.limits} I can only name what is in your own lists, so nothing that is new to you. "
        "Ask what you have not played lately for favourites that you may have missed."
    )


def explain_making(_: Listener, __: Intent, voice: Voice) -> str:
    """Say that no playlist can be made, and what can be done."""
    return (
        f"{voice.limits} I cannot put a playlist together. I can name tracks for one that you make "
        "in Spotify: your top 50 tracks, those of a decade, an artist or a genre, or those that you "
        "have not played lately."
    )


def explain_control(_: Listener, __: Intent, ___: Voice) -> str:
    """Say that nothing in Spotify can be played or changed."""
    return f"I only read: I cannot play, save, change or delete anything in Spotify. {_ASK}"


def explain_comparing(_: Listener, __: Intent, voice: Voice) -> str:
    """Say what can be compared."""
    return (
        f"{voice.limits} I can only compare artists, tracks or genres of yours by name, or hours of "
        "the day."
    )


def explain_beyond(_: Listener, intent: Intent, __: Voice) -> str:
    """Say why the data cannot answer that."""
    return f"{intent.sentence} {_ASK}"


def explain_follow_up(_: Listener, __: Intent, voice: Voice) -> str:
    """Say that each question stands alone."""
    return (
        f"{voice.limits} I read each question by itself and do not see what came before, so please "
        "ask all of it in one sentence."
    )


def greet(listener: Listener, _: Intent, __: Voice) -> str:
    """Greet, and say what can be asked."""
    name = f", {listener.name}" if listener.name else ""
    return f"Hello{name}! I can {_CAN}. {_ASK}"


def accept_thanks(_: Listener, __: Intent, ___: Voice) -> str:
    """Say that it was a pleasure."""
    return f"You are welcome. I can {_CAN}."


def say_farewell(_: Listener, __: Intent, ___: Voice) -> str:
    """Say goodbye."""
    return "Goodbye! “Forget my data” on the page drops what Lyra holds of you."


def admit_length(_: Listener, __: Intent, voice: Voice) -> str:
    """Say that the question is too long."""
    return f"{voice.limits} I can read no more than a few sentences: please ask in one or two."


def admit_denial(_: Listener, __: Intent, voice: Voice) -> str:
    """Say that only what is not wanted was understood."""
    return f"I understood what you do not want, but not what you do: {_lower(voice.limits)} I can only {_CAN}."


def admit(_: Listener, intent: Intent, voice: Voice) -> str:
    """Say in one sentence that the question was not understood, and what can be done."""
    words = [quote(word) for word in dict.fromkeys(intent.unheeded)][:3]
    which = f" {enumerate_(words)}" if words else " that"
    return f"I did not understand{which}: {_lower(voice.limits)} I can only {_CAN}."


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
