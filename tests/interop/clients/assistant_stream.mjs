// assistant-ui's decoder of the stream.

import { jsonHeaders, load, question, report, textOf, url, wordsCame } from "./shared.mjs";

const { AssistantMessageAccumulator, UIMessageStreamDecoder } = await load("assistant-stream");
const response = await fetch(`${url}/lyra/chat`, {
  method: "POST",
  headers: jsonHeaders,
  body: JSON.stringify({ messages: [{ role: "user", content: [{ type: "text", text: question }] }] }),
});
if (!response.ok) report({ http: response.status, code: (await response.json()).error.code });

const seen = { protocol: response.headers.get("x-vercel-ai-ui-message-stream"), text: "", data: [], status: null, error: null };
try {
  const messages = response.body.pipeThrough(new UIMessageStreamDecoder()).pipeThrough(new AssistantMessageAccumulator());
  for await (const message of messages) {
    seen.text = textOf(message.parts);
    seen.data = message.metadata.unstable_data;
    seen.status = message.status;
    if (seen.text) wordsCame();
  }
} catch (failure) {
  seen.error = failure.message;
}
report(seen);
