// AG-UI's own agent, which checks the order and the shape of every event.

import { headers, load, question, report, rest, url, wordsCame } from "./shared.mjs";

const { HttpAgent } = await load("@ag-ui/client");
const agent = new HttpAgent({ url: `${url}/lyra/agui`, headers });
agent.addMessage({ id: "u1", role: "user", content: question });
const seen = { kinds: [], text: "", error: null, code: null, custom: {} };
const turns = Number(rest[0] ?? 1);
const answer = rest[1]; // to what the first run is interrupted for: approve, refuse or cancel

async function ask(resume) {
  const { newMessages } = await agent.runAgent(resume ? { resume } : {}, {
    onEvent({ event }) { seen.kinds.push(event.type); },
    onTextMessageContentEvent({ event }) { if (event.delta) wordsCame(); },
    onCustomEvent({ event }) { seen.custom[event.name] = event.value; },
    onRunFinishedEvent({ event }) { seen.outcome = event.outcome ?? null; },
    onRunErrorEvent({ event }) { seen.code = event.code; },
  });
  seen.text = newMessages.filter(({ role }) => role === "assistant").map(({ content }) => content ?? "").join("");
}

try {
  await ask();
  seen.interrupts = seen.outcome?.interrupts ?? [];
  const given = answer === "cancel" ? { status: "cancelled" } : { status: "resolved", payload: { approved: answer === "approve" } };
  if (answer) await ask(seen.interrupts.map(({ id }) => ({ interruptId: id, ...given })));
  for (let turn = 1; turn < turns; turn += 1) {
    agent.addMessage({ id: `u${turn + 1}`, role: "user", content: "And which are my top tracks?" });
    await ask();
  }
} catch (failure) {
  seen.error = failure.message;
  seen.http = failure.status ?? null;
}
seen.messages = agent.messages.map(({ role, content }) => [role, content]);
seen.called = agent.messages.flatMap(({ toolCalls }) => toolCalls ?? []).map((call) => call.function.name);
report(seen);
