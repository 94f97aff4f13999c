// The class behind useChat: what a component would show.

import { AbstractChat, DefaultChatTransport, State, codeIn, headers, question, report, rest, textOf, url } from "./chat_state.mjs";

class Chat extends AbstractChat {
  constructor(options) {
    super({ ...options, state: new State() });
  }
}

const data = [];
const codes = [];
const endings = [];
const chat = new Chat({
  id: "c1",
  transport: new DefaultChatTransport({ api: `${url}/lyra/chat`, headers }),
  onData: (part) => {
    data.push(part.type);
    if (part.type === "data-error") codes.push(part.data.code);
  },
  onFinish: ({ isAbort, isDisconnect, isError, finishReason }) => endings.push({ isAbort, isDisconnect, isError, finishReason }),
});
await chat.sendMessage({ text: question });
const turns = Number(rest[1] ?? 1);
for (let turn = 1; turn < turns; turn += 1) await chat.sendMessage({ text: "And which are my top tracks?" });

const last = chat.messages.at(-1);
report({
  status: chat.status,
  error: chat.error ? codeIn(chat.error) : null,
  messages: chat.messages.map((message) => message.role),
  text: last.role === "assistant" ? textOf(last.parts) : "",
  kinds: last.parts.map((part) => part.type),
  tools: last.parts.filter((part) => part.type === "dynamic-tool").map(({ toolName, state, title, output, errorText }) => ({ toolName, state, title, output, errorText })),
  playlists: last.parts.filter((part) => part.type === "data-playlist").map(({ id, data: { uris } }) => ({ id, uris })),
  metadata: last.metadata ?? null,
  data,
  codes,
  endings,
});
