"""/openapi.json: `document` makes it of the table of routes (`web.routes`).

route              the type of that table's rows: a handler and its description
document           the OpenAPI 3.1 document of such rows
protocol_schemas   the responses of the OpenAI and AG-UI protocols as types

Lyra's own responses are in `web.schemas`. To describe a new route, add a row to `web.routes`.
"""
