// The same stream, appended as it is read to one element of a page that does nothing else.
async (token) => {
  const box = document.createElement("pre");
  document.body.replaceChildren(box);
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const body = JSON.stringify({ message: "What does my late-night listening say about me?" });
  const answer = await fetch("/lyra/chat", { method: "POST", headers, body });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    box.append(value);
  }
}
