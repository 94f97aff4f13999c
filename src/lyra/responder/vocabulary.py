"""The vocabulary: which words mean what in a question, as phrases without case and accents.

An apostrophe divides words here as it does in a question: "what's" is `what s`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType


class Concept(Enum):
    """What a phrase speaks of; `intents.RULES` say which of them make which question."""

    ARTIST = auto()
    TRACK = auto()
    ALBUM = auto()
    GENRE = auto()
    PLAYLIST = auto()
    TOP = auto()
    MOST_PLAYED = auto()
    LEAST = auto()
    RECENT = auto()
    REPEATED = auto()
    NOT_LATELY = auto()
    RECOMMEND = auto()
    NEW = auto()
    SIMILAR = auto()
    MAKE = auto()
    CONTROL = auto()
    COMMON = auto()
    WHERE = auto()
    WHEN = auto()
    HOW_MANY = auto()
    HOW_OFTEN = auto()
    LOOK_UP = auto()
    LISTEN = auto()
    COMPARE = auto()
    LIKES = auto()
    BY = auto()
    OLDEST = auto()
    NEWEST = auto()
    LONGEST = auto()
    SHORTEST = auto()
    LARGEST = auto()
    SMALLEST = auto()
    EXPLICIT = auto()
    OWNED = auto()
    FOLLOWED = auto()
    FITS = auto()
    YEAR = auto()
    ABOUT_LISTENER = auto()
    LISTENER_NAME = auto()
    SECTIONS = auto()
    WHO_ARE_YOU = auto()
    HELP = auto()
    FORGET = auto()
    DATA = auto()
    PRIVACY = auto()
    FOLLOW_UP = auto()
    REFERENCE = auto()
    GREETING = auto()
    THANKS = auto()
    FAREWELL = auto()


PHRASES: Mapping[Concept, str] = MappingProxyType(
    {
        Concept.ARTIST: """artist, artists, band, bands, singer, singers, musician, musicians,
            composer, composers, rapper, rappers, performer, performers, who do i, who am i into,
            who am i listening to, who am i obsessed with, who have i""",
        Concept.TRACK: "track, tracks, song, songs, tune, tunes, title, titles, piece, pieces",
        Concept.ALBUM: "album, albums, record, records, lp, lps",
        Concept.GENRE: """genre, genres, style, styles, kind of music, kinds of music,
            type of music, types of music, sort of music, sorts of music, music style,
            music styles""",
        Concept.PLAYLIST: "playlist, playlists, play list, play lists, mixtape, mixtapes",
        Concept.TOP: """top, favourite, favourites, favorite, favorites, fave, faves, fav, favs,
            best, most, number one, mostly, biggest fan, main, love, prefer, preferred, enjoy, rank, ranked, ranking""",
        Concept.MOST_PLAYED: """most played, most listened, most listened to, play most,
            play the most, played most, played the most, listen to most, listen to the most,
            hear most, hear the most, listened to most, listened to the most, most heard,
            most streamed, most frequently, most often played, play most often""",
        Concept.LEAST: "least, bottom, lowest",
        Concept.RECENT: """recent, recently, lately, latest, last, last few, last played,
            just played, just heard, just listened to, just listening to, history, my history, most recent,
            most recently, now, currently, at the moment, these days""",
        Concept.REPEATED: """on repeat, repeat, repeated, repeatedly, repeating, more than once,
            most often, over and over, again and again, on loop, in a loop, twice""",
        Concept.NOT_LATELY: """not played lately, not played recently, not played in a while,
            not played for a while, not heard lately, not heard recently, not heard in a while,
            not heard for a while, not listened to lately, not listened to recently,
            not listened to in a while, haven t i played, haven t played, haven t i heard,
            haven t heard, haven t listened to, haven t i listened to, havent played,
            havent heard, havent listened to, did not play, didn t play, didn t i play,
            have i not played, have i not heard, have i not listened to,
            not among my latest plays, forgotten, forgotten gems, haven t touched, not touched, in ages, for ages, forgot about, forget about lately,
            neglected, neglect, neglecting, rediscover, old favourites, old favorites""",
        Concept.RECOMMEND: """recommend, recommends, recommended, recommendation, recommendations,
            suggest, suggestion, suggestions, should i play, should i listen, should i hear,
            should i put on, shall i play, shall i listen, shall i put on, can i play,
            can i listen, could i play, could i listen, what to play, what to listen,
            to listen to, play next, hear next, listen to next, what next, what s next, next,
            surprise me, pick something, pick a, pick me, pick one, pick for me, choose for me,
            give me something, something to play, something to listen to, something to hear,
            ideas, in the mood for""",
        Concept.NEW: """new, brand new, unknown, discover, discovery, discoveries, never heard,
            never heard before, not heard before, haven t heard before, not know, don t know yet,
            don t know, unfamiliar, unheard, fresh, new release, new releases""",
        Concept.SIMILAR: """similar, similar to, something like, music like, songs like,
            tracks like, artists like, bands like, more like, sounds like, sound like, resembles,
            resemble, related to, along the lines of, is like, are like, else like, others like""",
        Concept.MAKE: """make, make me, create, build, generate, compose, compile, put together,
            write, draft, curate, assemble""",
        Concept.CONTROL: """shuffle, volume, queue up, turn up, turn down, turn it up, turn it down,
            start playing, stop playing, skip this, skip it, skip to, next song please, add to,
            add this, add it, save this, save it, save to, rename, unfollow, like this song,
            play me, play some, play something, please play, can you play, could you play,
            will you play, would you play, play the song, play the album, play the playlist,
            play my""",
        Concept.COMMON: """in common, overlap, alike, connects, connect, connection, link, links,
            have to do with""",
        Concept.COMPARE: "compare, versus, vs, against, difference between",
        Concept.LISTEN: """play, plays, played, playing, listen, listens, listened, listening,
            hear, hears, heard, hearing, music, put on, stream, streamed""",
        Concept.WHERE: "where, where s",
        Concept.WHEN: """when, what time, what times, time of day, times of day, which hours,
            which hour, what hours, what hour, hours, hour, which time, most active, night owl,
            early bird""",
        Concept.HOW_MANY: "how many, number of, amount of, count, total, in total, altogether",
        Concept.HOW_OFTEN: """how often, how many times, how much, what share, what part,
            what percentage, what percent, which share, how big, how large, percentage, percent,
            how high""",
        Concept.LOOK_UP: """tell me about, tell me more about, what about, how about, who is,
            who s, who are, who sings, who performs, who plays on, who made, who wrote, who plays, is there any, is there a,
            are there any, in my lists, in my list, in my data, in my listening, in my music,
            in my plays, in my top, what rank, what place, which place, which rank, which number,
            what number, rank of, look up, search for, search, find me, am i a fan of, fan of,
            anything about""",
        Concept.LIKES: """do i listen to, do i ever listen to, do i like, do i even like,
            do i play, do i ever play, do i hear, do i know, do i have, do i love, do i enjoy,
            have i played, have i ever played, have i heard, have i ever heard,
            have i listened to, have i ever listened to, did i play, did i ever play, did i hear,
            did i listen to, did i ever listen to, i listen to, i play, i like, i love""",
        Concept.BY: "by, anything by, something by, anything from, something from",
        Concept.OLDEST: "oldest, earliest, older, vintage",
        Concept.NEWEST: "newest, youngest, released last, released most recently",
        Concept.LONGEST: "longest, longer than",
        Concept.SHORTEST: "shortest, shorter than",
        Concept.LARGEST: "biggest, largest, by size, by length, size, most tracks, most songs, fullest",
        Concept.SMALLEST: "smallest, fewest, fewest tracks, fewest songs",
        Concept.EXPLICIT: "explicit, swear words, swearing, curse words",
        Concept.OWNED: """did i make, did i create, i made, i created, i own, do i own, my own,
            made by me, created by me, that are mine, belong to me""",
        Concept.FOLLOWED: """do i follow, i follow, followed, not mine, aren t mine, are not mine,
            isn t mine, is not mine, not my own, aren t my own, by others, by other people,
            by somebody else, by someone else, of others, of other people, made by spotify""",
        Concept.FITS: """fits, fit, fitting, suits, suit, suitable, good for, right for, best for,
            works for, matches, match, goes with, go with, mood, vibe, for a, for an, for""",
        Concept.YEAR: """decade, decades, era, eras, which year, which years, what year, what years,
            year, years, release year, release years, edition, editions, old, modern, how old""",
        Concept.ABOUT_LISTENER: """about me, describe, wrapped, recap, vibe of my, mood of my, about my taste, about my music taste,
            about my listening, my taste, my music taste, taste, tastes, my listening habits,
            listening habits, habits, describe me, describe my, summarise, summarize, summary,
            sum up, overview, sum me up, kind of listener, sort of listener, type of listener,
            what do i like, my music, my profile, what i listen to, show me everything, tell me everything, my stats, stats,
            statistics, analyse me, analyze me, analyse my, analyze my, judge me, roast me, roast""",
        Concept.LISTENER_NAME: "my name, who am i, what am i called, am i called, my account name",
        Concept.SECTIONS: """which parts, what parts, can you see, you can see, do you see,
            can t you see, could you not read, couldn t you read, not read, have access to,
            access to, what data, which data, missing, is missing, what information,
            which information, which sections, what sections, permission, permissions, up to date,
            how fresh, how old is my data, last updated, when was my data, scopes, updated""",
        Concept.WHO_ARE_YOU: """who are you, what are you, who r u, who is this, your name,
            introduce yourself, about yourself, about you, are you a, are you an, are you human,
            are you real, are you ai, are you chatgpt, are you claude, are you gpt,
            are you alive, are you there, who made you, who built you, which model, what model,
            language model, are you lyra, what is lyra, what s lyra, who is lyra, chatbot, bot,
            how are you, how do you feel, your favourite, your favorite, your favourites,
            your favorites, do you like, do you listen, you like, your taste, your opinion""",
        Concept.HELP: """help, help me, what can you do, what can t you do, what can you not do, what can you tell, what can i ask,
            what can you answer, what else can you do, what else can i ask, what do you do,
            how does this work, how do you work, how does it work, what should i ask,
            what do you know, what are you able to, commands, instructions for use, examples,
            example questions, able to do, capabilities""",
        Concept.FORGET: """forget, delete, erase, wipe, destroy, purge, remove me, remove my,
            clear my, clear all, log out, logout, log me out, sign out, sign me out, disconnect,
            unlink, revoke""",
        Concept.DATA: """data, my data, me, everything, my account, account, all of it, information, everything about me, what you know, what you know about me,
            spotify, spotify account, yourself""",
        Concept.PRIVACY: """other people see, others see, anybody see, anyone see, who else can see,
            people see my, do you learn, you learn from, train on, privacy, private, gdpr, do you store, do you keep, do you save,
            are you storing, are you saving, stored, who sees, who can see, do you share, do you sell,
            sell my, safe, secure, secret, track me, spy on me, spying on me, you spying,
            spying, where is my data, where does my data, my data go, how do you know""",
        Concept.FOLLOW_UP: """more, and more, go on, continue, another, another one, and then,
            why, why not, again, say that again, are you sure, really, what do you mean,
            tell me more, the same, same again, it, next one, the next""",
        Concept.REFERENCE: """those, them, these ones, the rest, the others, others,
            the second one, the first one, that one, this one, the last one""",
        Concept.GREETING: """hello, hi, hey, hiya, howdy, yo, good morning, good evening,
            good afternoon, good day, greetings, hello there, hey there, hi there, sup, what s up,
            hello lyra, hey lyra, hi lyra""",
        Concept.THANKS: """thanks, thank you, thank u, thx, ty, cheers, thanks a lot, many thanks,
            much appreciated, great answer, well done, nice one, good bot, cool, awesome, nice,
            perfect, great""",
        Concept.FAREWELL: "bye, goodbye, good bye, see you, see ya, good night, cya, farewell",
    }
)

# They say nothing that an answer has to take into account.
FILLERS = """
    a, an, the, my, mine, me, myself, i, you, your, yours, we, us, our, one, ones, s, t, re, ve, ll,
    d, m, is, are, was, were, be, been, being, am, do, does, did, done, doing, have, has, had,
    having, can, could, would, should, will, shall, may, might, must, please, pls, plz, kindly,
    tell, show, give, list, name, names, display, print, see, look, view, get, got, find, let,
    lets, know, knows, wonder, wondering, curious, think, want, wanna, wants, need, like, likes,
    liked, to, of, in, on, at, from, with, and, or, so, then, there, here, this, that, these,
    its, they, he, she, their, what, whats, which, who, whom, whose, how, all, any, some, every,
    each, ever, very, much, many, really, actually, just, only, also, too, as, well, if, about,
    into, out, up, than, between, within, among, during, across, until, over, around, before,
    after, since, utc, oclock, o, clock, time, times, thing, things, something, anything, stuff,
    musical, spotify, listener, listening to, sing, sings, sang, singing, sound,
    come, comes, came, coming, go, goes, went, going, put, say, said, tells, speak, talk, talking,
    mean, means, called, usually, normally, typically, often, generally, overall, currently,
    especially, exactly, right, okay, ok, yes, yeah, well, oh, ah, um, hmm, hm, lyra, person,
    people, user, is it, it s, it is, does it, by the way, order, ordered, sorted, sort, skip, pause, resume, queue, sorted by, ordered by, ranked by, kind,
    type, first, single, whole, entire, full, complete, quick, quickly, short list, if possible,
    would you, could you, can you, will you, i m, i am, i d, i would, i want, i need, i ve,
    i have, been into, into lately, of all, out of, according, according to, based, based on, far,
    so far, bit, little, lot, lots, sure, again please, not sure, don t mind, doesn t matter, dont mind, no idea,
    i don t remember, can t remember, i forget, nothing but, lol, haha, wow, hey there, my spotify, released, release,
    come out, came out, date, dates, dated, show up, shows up, turn up, appear, appears, share of,
    rate, given, wich, wat, waht, whos, hows, u, ur, r, im, ive, id, gimme, gonna, lemme, teh, whether, while, instead, rather, though, but, because, however, today s, has to,
    hello from, dear, hey so, mate, man, buddy, dude, bro, friend of mine, kinda, basically,
    honestly, maybe, perhaps, probably, possibly, always, still, already, yet, other than that,
    through, else, meant, same, explain, comment, bother, worry, different, common, share, able, interested, interesting, long, made, most of, down
"""

NEGATIONS = """
    not, no, never, don t, dont, do not, doesn t, does not, didn t, did not, isn t, is not, aren t,
    are not, wasn t, weren t, haven t, havent, have not, hasn t, can t, cannot, cant, won t,
    wouldn t, without, except, except for, excluding, apart from, other than, anything but,
    everything but, all but, rather than, instead of, skip the, stop, no more,
    nor, neither, none of
"""
# A verb with one of these before it asks, and denies nothing: "don't you know my artists?"
ASKING = frozenset({"don t", "doesn t", "didn t", "isn t", "aren t", "wasn t", "can t", "won t",
                    "wouldn t", "haven t", "hasn t", "weren t"})  # fmt: skip
ASKING_ALONE = frozenset({"isn t", "aren t", "wasn t", "weren t"})
PRONOUNS = frozenset({"you", "i", "it", "there", "my", "that", "this", "we", "he", "she", "they"})
# As the first word of a sentence they want Spotify to do something.
IMPERATIVES = frozenset(
    {"play", "stop", "add", "save", "follow", "pause", "resume", "unpause", "skip", "queue"}
)
# From here on a clause is not denied any more: "don't recommend, just list".
TURNS = frozenset({"but", "just", "only", "instead", "rather", "show", "list", "tell", "give"})

# What Spotify does not tell, or what takes more than counting; each has its sentence.
BEYOND: Mapping[str, str] = MappingProxyType(
    {
        """how many minutes, how many hours, minutes did i, minutes do i, minutes have i,
        listening minutes, minutes of music, how much time, how long do i listen,
        how long have i listened, how long did i listen, hours of music, hours of listening,
        listening time, play count, play counts, number of plays, total plays, plays in total""": (
            "Spotify tells no listening times and no play counts, only rankings and the last plays."
        ),
        """lyrics, words of the song, lyric, about lyrics""": "Spotify sends me no lyrics.",
        """concert, concerts, tour, touring, tickets, gig, gigs, festival, festivals, see live,
        on tour""": "I know of no concerts: Spotify tells me none.",
        """bpm, tempo, key, danceable, danceability, energy, energetic, loud, loudest, fast,
        fastest, slow, slowest, beats per minute, acoustic, valence""": (
            "I cannot say how music sounds: Spotify sends no tempo, key or mood."
        ),
        """my friends, friends, friend, my wife, my husband, my partner, my girlfriend,
        my boyfriend, other people, other listeners, others listen, everybody else, everyone else,
        average listener, most people""": "I see your listening alone, nobody else's.",
        """changed, change, changing, compared to, compared with, compare to, evolve, evolved,
        evolution, trend, trends, over time, years ago, months ago, used to, back then, growing,
        as a teenager, as a kid, in my childhood, improved""": (
            "I cannot compare periods: I have one ranking, of about six months, and the last plays."
        ),
        """podcast, podcasts, episode, episodes, audiobook, audiobooks, audio books""": (
            "I know songs alone: podcasts and audiobooks are not among what I read."
        ),
        """liked songs, saved songs, saved tracks, saved albums, liked tracks, my library,
        liked albums, likes list""": (
            "I do not read your saved songs and albums, only top lists, last plays and playlists."
        ),
        """what time is it, what s the time, what day is it, the weather, weather, the news,
        what is the date, what s the date""": "I know your listening and nothing else.",
        "do i skip, did i skip, i skip, i skipped, skipped": "Spotify tells no skipped songs.",
        """premium, subscription, password, email, e mail, my plan, billing, payment, followers,
        my followers, popular, popularity, charts, chart, monthly listeners, streams, famous""": (
            "That is none of what I read from Spotify: your top lists, last plays and playlists."
        ),
    }
)

# Words of a mood and those that may stand for it in the name of a playlist.
MOODS: tuple[frozenset[str], ...] = tuple(
    frozenset(line.split())
    for line in """
quiet calm chill chilled chilling relax relaxed relaxing slow soft mellow gentle peaceful peace evening evenings night nights late sleep sleepy rest unwind lullaby acoustic ambient tired bed bedtime sunday sundays cosy cozy tea rain rainy
party parties dance dancing club friday weekend loud wild celebration birthday happy fun
work working study studying focus focused desk office concentrate concentration reading homework coding code writing
run running gym workout sport sports training exercise jog jogging energy power
drive driving car road trip roadtrip travel travelling train tram bus journey commute
sad sadness melancholy melancholic blue heartbreak cry crying breakup lonely tears
morning mornings breakfast coffee wake sunrise early
summer sun sunny beach holiday holidays vacation
winter snow christmas xmas december cold
cook cooking kitchen dinner food eating
love romantic romance date wedding valentine
""".strip().splitlines()
)
