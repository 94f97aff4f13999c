"""Subject 2: the first word of a follow-up, against that of a first message."""

from benching.place import Place
from benching.report import Table, ms, times

LOW_MS, HIGH_MS = 400, 2500
QUICK_MS = 40, 250
RUNS, QUICK_RUNS = 5, 1
FOLLOW_UPS = 5
QUESTION = "Which artists do I listen to most?"


async def measure(place: Place) -> Table:
    """Time to the first word over `POST /lyra/chat`, cold and warm, of a model that never waits."""
    low, high = QUICK_MS if place.quick else (LOW_MS, HIGH_MS)
    runs = QUICK_RUNS if place.quick else RUNS
    cold, warm = [], []
    for _ in range(runs):
        token = await place.new_listener(low, high)
        cold.append((await place.reader.ask(token, QUESTION)).first_word_s)
        follow_ups = [await place.reader.ask(token, QUESTION) for _ in range(FOLLOW_UPS)]
        warm += [answer.first_word_s for answer in follow_ups]
    return Table(
        f"2. The first word, Spotify at {low} to {high} ms, a model that never waits",
        ("median", "ms", "of a follow-up"),
        [
            (f"cold, first message ({len(cold)})", ms(cold), times(cold, warm)),
            (f"warm, follow-up ({len(warm)})", ms(warm), times(warm, warm)),
        ],
        notes=["Aim: 100 x or more at 2 to 3 s of Spotify. The model's own time is not in it."],
    )
