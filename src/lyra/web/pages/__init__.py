"""The pages for browsers: the listener's page and /docs.

handlers      the pages, their files (`web/static`), and /openapi.json: begin here
demo_covers   covers drawn for invented music, in a demo alone

The files are read, minified and bundled once at start-up, by `web.http.static_files`.
"""
