"""A responder by rules: what a question asks, and the answer counted from a listener's data.

It is pure and knows nothing of Spotify, of HTTP or of language models: `lyra.chat` answers with it
where there is no model, and the sandbox's invented model speaks with it.

A question goes this way: `words` splits it, `names`, `slots` and `vocabulary` say what its words
are, `reading` puts that together, `intents` has the table of the kinds of questions, `answers` a
function for each kind, and `respond` is the whole of it.
"""
