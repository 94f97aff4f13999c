"""The handlers of the API: each parses, makes one call and responds.

Begin with `chat`: `chat_session` reads its question, starts the run and sends the answer, for all
wire formats alike (`wire_formats`, `openai_compat`, `agui`); `run_relay` writes each token to the
connection. `listener_lookup` finds or loads the listener for `chat_session` and `listener`.

`login`, `health` and `admin` stand alone. A handler imports no other handler: what several of them
need has a module of its own.
"""
