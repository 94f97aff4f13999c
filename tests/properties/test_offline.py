"""Any listener and any question: an answer without a model, the same each time."""

from hypothesis import given, strategies as st

from lyra.chat.model.offline import VOICE, describe_listener
from lyra.listening.models import Listening
from lyra.responder.respond import respond
from tests.support.listenings import listenings
from tests.support.offline_judge import load_questions

QUESTIONS = [question.text for question in load_questions()]
words = st.lists(st.sampled_from(" ".join(QUESTIONS).split()) | st.text(max_size=8), max_size=12)


@given(listening=listenings, question=st.sampled_from(QUESTIONS) | words.map(" ".join))
def test_any_question_of_any_listener_has_an_answer(listening: Listening, question: str) -> None:
    listener = describe_listener(listening)

    said = respond(question, listener, VOICE)

    assert said.strip()
    assert said == respond(question, listener, VOICE)


@given(listening=listenings, data=st.data())
def test_any_name_of_a_listener_can_be_asked_for(listening: Listening, data: st.DataObject) -> None:
    names = [one.name for one in listening.top_artists]
    names += [one.name for one in listening.top_tracks]
    name = data.draw(st.sampled_from(names or ["x"]))

    assert respond(f"How often did I play “{name}”?", describe_listener(listening), VOICE).strip()
