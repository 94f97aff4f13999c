"""The answers: a function for every kind of question, from a listener's data to text."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from lyra.responder.answers import items, lists, playlists, plays, talk
from lyra.responder.intents import Intent
from lyra.responder.listener import Listener, Voice
from lyra.responder.rules import Kind

Answer = Callable[[Listener, Intent, Voice], str]

ANSWERS: Mapping[Kind, Answer] = MappingProxyType(
    {
        "artists": lists.list_artists,
        "tracks": lists.list_tracks,
        "albums": lists.list_albums,
        "genres": lists.list_genres,
        "artist_genres": lists.list_artist_genres,
        "artists_by_tracks": lists.list_artists_by_tracks,
        "years": lists.list_years,
        "track_extremes": lists.list_extremes,
        "explicit": lists.list_explicit,
        "playlists": playlists.list_playlists,
        "playlist_contents": playlists.tell_contents,
        "playlist_fit": playlists.find_fitting,
        "plays": plays.list_plays,
        "repeated": plays.list_repeated,
        "hours": plays.tell_hours,
        "forgotten": plays.list_forgotten,
        "recommend": plays.recommend,
        "chosen": lists.list_chosen,
        "item": items.describe_items,
        "search": items.tell_not_found,
        "common": items.tell_common,
        "similar": items.list_similar,
        "summary": talk.summarise,
        "listener_name": talk.name_listener,
        "sections": talk.list_sections,
        "who": talk.introduce,
        "help": talk.help_listener,
        "forget": talk.explain_forgetting,
        "privacy": talk.explain_privacy,
        "new": talk.explain_new,
        "make_playlist": talk.explain_making,
        "control": talk.explain_control,
        "compare": talk.explain_comparing,
        "beyond": talk.explain_beyond,
        "follow_up": talk.explain_follow_up,
        "greeting": talk.greet,
        "thanks": talk.accept_thanks,
        "farewell": talk.say_farewell,
        "too_long": talk.admit_length,
        "denied": talk.admit_denial,
        "unclear": talk.admit,
    }
)
