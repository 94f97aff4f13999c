// The AI SDK's transport and stream reader, one part after the other.

import { codeIn, headers, load, question, report, rest, textOf, url, wordsCame } from "./shared.mjs";

const ai = await load(rest[0]);
const transport = new ai.DefaultChatTransport({ api: `${url}/lyra/chat`, headers });
const asked = [{ id: "u1", role: "user", parts: [{ type: "text", text: question }] }];
const seen = { kinds: [], errors: [], text: "", metadata: null };

async function read() {
  const stream = await transport.sendMessages({ chatId: "c1", trigger: "submit-message", messages: asked });
  const [forMessages, forKinds] = stream.tee();
  const kinds = (async () => {
    for await (const part of forKinds) seen.kinds.push(part.type);
  })();
  const messages = ai.readUIMessageStream({ stream: forMessages, onError: (error) => seen.errors.push(error.message) });
  for await (const message of messages) {
    seen.text = textOf(message.parts);
    seen.metadata = message.metadata;
    if (seen.text) wordsCame();
  }
  await kinds;
}

try {
  await read();
} catch (failure) {
  seen.errors.push(codeIn(failure));
}
report(seen);
