// A plain parser of server-sent events.

import { jsonHeaders, load, question, report, url, wordsCame } from "./shared.mjs";

const { createParser } = await load("eventsource-parser");
const seen = { kinds: [], text: "", names: [], comments: 0, errors: [], done: 0 };
const parser = createParser({
  onEvent({ event, data }) {
    if (event) seen.names.push(event);
    if (data === "[DONE]") { seen.done += 1; return; }
    const part = JSON.parse(data);
    seen.kinds.push(part.type);
    if (part.type === "text-delta") { seen.text += part.delta; wordsCame(); }
    if (part.type === "data-error") seen.code = part.data.code;
  },
  onComment() { seen.comments += 1; },
  onError(failure) { seen.errors.push(failure.type); },
});
const response = await fetch(`${url}/lyra/chat`, {
  method: "POST", headers: jsonHeaders, body: JSON.stringify({ message: question }),
});
if (!response.ok) report({ http: response.status, code: (await response.json()).error.code });
for await (const piece of response.body.pipeThrough(new TextDecoderStream())) parser.feed(piece);
report(seen);
