"""Answering a listener's question: from the body of a request to the parts of an answer.

Begin with `generation`: `AnswerGenerator.generate` makes the producer of one answer, which waits
for the listener's data, calls the model and ends the run.

- `request_schema`, `request_messages`: parse an untrusted body into a `ChatInput`.
- `prompt`: what the model gets. `token_quota`: what an account may use of it in a day.
- `model`: the port to the language model, and the models behind it.
- `parts`: the parts of an answer. `runs`: the logs of parts that readers follow.
- `mentions`, `evidence`: the cards and facts that code adds to an answer.
- `generation_stats`, `ending_notices`, `best_effort`: what comes beside an answer.

Nothing here knows HTTP: `web.api.chat` starts a run and streams it.
"""
