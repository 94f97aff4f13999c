"""The HTTP service, in layers; each imports only those below it.

routes      the one table of routes: begin here to find the handler of a request
pages       the listener's page, /docs and their files
openapi     /openapi.json, made of the table of routes
api         the handlers: thin, no business of their own
gateway     what every request passes: protocol, middleware, request parsing, cookies, runner
context     `Services`, the parts that all handlers share
login       log-in with Spotify: the service, the session store, token renewal
http        mechanisms that know nothing of a chat: streams, limits, deadlines, responses
schemas     the bodies of responses as types
"""
