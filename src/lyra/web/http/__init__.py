"""Mechanisms of HTTP that know nothing of listeners and chats.

Streams      event_stream (SSE), stream_monitor (heartbeats, slow readers), write_coalescer
Load         concurrency_limit, rate_limit, body_limit, connection_limit, memory_guard, watchdog
Connections  framing (which bytes the parser may have), deadlines; both know neither sockets nor
             aiohttp, and `gateway.timed_protocol` drives them
Others       responses, static_files, client_ip, access_log

Begin with `event_stream` for how tokens leave, with `connection_limit` for how floods are met.
"""
