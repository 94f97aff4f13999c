"""What every request passes before its handler, in this order.

server              the runner, which listens and shuts down
protocol            aiohttp's protocol, hardened and counted: one per connection
timed_protocol      the same with deadlines for heads, responses and idle connections
middleware          request id, host check, concurrency slot, errors, access log
requests, cookies   for handlers: credentials, body, Accept header, CSRF defence
prebuilt_response   for handlers of warm routes: a response with a prebuilt head

Begin with `middleware` for the way of a request, with `protocol` for that of a connection.
"""
