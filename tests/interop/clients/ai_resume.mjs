// useChat after a reload: the question is in its history, and it asks whether an answer goes on.

import { AbstractChat, DefaultChatTransport, State, headers, question, report, rest, textOf, url } from "./chat_state.mjs";

const question_message = { id: "m1", role: "user", parts: [{ type: "text", text: question }] };
const state = new State();
state.messages = [question_message];
const chat = new (class extends AbstractChat {})({
  id: rest[1],
  state,
  transport: new DefaultChatTransport({ api: `${url}/lyra/chat`, headers }),
});
await chat.resumeStream();

const last = chat.messages.at(-1);
report({
  status: chat.status,
  error: chat.error ? chat.error.message : null,
  messages: chat.messages.map((message) => message.role),
  text: last.role === "assistant" ? textOf(last.parts) : "",
});
