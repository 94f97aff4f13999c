// What every client here shares: its packages, its arguments, and one line of JSON as its report.

import { createRequire } from "node:module";

export const [packages, url, token, ...rest] = process.argv.slice(2);
export const question = "Which artists do I listen to most?";
export const headers = { "Authorization": `Bearer ${token}` };
export const jsonHeaders = { ...headers, "Content-Type": "application/json" };

const require = createRequire(`${packages}/any.js`);

export function load(name) {
  return import(require.resolve(name));
}

// Tells the test, once, that words have come: it may now do something to the server.
let told = false;
export function wordsCame() {
  if (!told) console.log("words");
  told = true;
}

export function report(seen) {
  console.log(JSON.stringify(seen));
  process.exit(0);
}

export function textOf(parts) {
  return (parts ?? []).filter((part) => part.type === "text").map((part) => part.text).join("");
}

// What a chat kit throws when the answer is a refusal: the body, as the kit hands it on.
export function codeIn(failure) {
  try {
    return JSON.parse(failure.message).error.code;
  } catch {
    return failure.message;
  }
}
