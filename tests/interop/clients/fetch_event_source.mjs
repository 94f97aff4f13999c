// Microsoft's fetch-event-source, which sends its POST again whenever it thinks that a stream broke.

import { jsonHeaders, load, question, report, rest, url, wordsCame } from "./shared.mjs";

// It is written for a browser and wants to know whether its page is visible.
globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };

const { fetchEventSource } = await load("@microsoft/fetch-event-source");
const tenacious = rest[0] === "tenacious";
const seen = { kinds: [], text: "", code: null, http: null, attempts: 0, done: 0, error: null };
await fetchEventSource(`${url}/lyra/chat`, {
  method: "POST",
  headers: jsonHeaders,
  body: JSON.stringify({ message: question, resumable: tenacious }),
  fetch(...request) {
    seen.attempts += 1;
    return fetch(...request);
  },
  async onopen(response) {
    seen.http = response.status;
    if (!response.ok) throw new Error((await response.json()).error.code);
  },
  onmessage({ data }) {
    if (!data) return;
    if (data === "[DONE]") { seen.done += 1; return; }
    const part = JSON.parse(data);
    seen.kinds.push(part.type);
    if (part.type === "text-delta") { seen.text += part.delta; wordsCame(); }
    if (part.type === "data-error") seen.code = part.data.code;
  },
  onerror(failure) {
    if (!tenacious || seen.attempts > 3) throw failure;
    return 50;
  },
}).catch((failure) => { seen.error = failure.message; });
report(seen);
