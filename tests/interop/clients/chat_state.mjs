// What useChat keeps its messages in, without React.

import { load, rest, textOf, wordsCame } from "./shared.mjs";

export * from "./shared.mjs";
export const { AbstractChat, DefaultChatTransport } = await load(rest[0]);

export class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => { this.messages = [...this.messages, message]; };
  popMessage = () => { this.messages = this.messages.slice(0, -1); };
  replaceMessage = (index, message) => {
    this.messages = this.messages.with(index, message);
    if (textOf(message.parts)) wordsCame();
  };
  snapshot = (thing) => structuredClone(thing);
}
