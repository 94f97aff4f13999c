// AG-UI's own agent, which checks the order and the shape of every event.

import { headers, load, question, report, url, wordsCame } from "./shared.mjs";

const { HttpAgent } = await load("@ag-ui/client");
const agent = new HttpAgent({ url: `${url}/lyra/agui`, headers });
agent.addMessage({ id: "u1", role: "user", content: question });
const seen = { kinds: [], text: "", error: null, code: null };
try {
  const { newMessages } = await agent.runAgent({}, {
    onEvent({ event }) { seen.kinds.push(event.type); },
    onTextMessageContentEvent({ event }) { if (event.delta) wordsCame(); },
    onRunErrorEvent({ event }) { seen.code = event.code; },
  });
  seen.text = newMessages.map((message) => message.content).join("");
} catch (failure) {
  seen.error = failure.message;
  seen.http = failure.status ?? null;
}
seen.messages = agent.messages.map(({ role, content }) => [role, content]);
report(seen);
