"""The language model: one port, and what is behind it.

Begin with `port`: a `ChatModel` opens a `ModelStream`, which pushes text, usage and `Done`.

- `offline`: answers without a language model. `anthropic_model`: the Messages API, in this order:
  `connection_pool` sends the request, `body_reader` pushes the body, `sse_decoder` splits it into
  events, and `stream_accumulator` adds them up, with `json_text` for characters that were cut.
- `model_circuit`: the circuit breaker before every call. `idle_timeout`: the longest silence
  between two tokens.
- `proxies`, `vendor_error`: the proxy of the environment, and the vendor's error bodies.
"""
