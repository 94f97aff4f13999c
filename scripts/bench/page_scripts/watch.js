// Notes when the first words arrive and are painted, how long frames take, and what shifts.
window.seen = { frames: [], scripts: [], shift: 0 };
const read = ReadableStreamDefaultReader.prototype.read;
ReadableStreamDefaultReader.prototype.read = async function () {
  const chunk = await read.call(this);
  if (!seen.arrived && typeof chunk.value === "string" && chunk.value.includes("text-delta")) seen.arrived = performance.now();
  return chunk;
};
const frame = requestAnimationFrame;
window.requestAnimationFrame = (act) => frame((now) => {
  const began = performance.now();
  act(now);
  seen.scripts.push(performance.now() - began);
  // The task behind the frame: style, layout and paint are done by then.
  const behind = new MessageChannel();
  behind.port1.onmessage = () => {
    seen.frames.push(performance.now() - began);
    if (document.querySelector(".a p:not(.wait)")) seen.painted ??= performance.now();
  };
  behind.port2.postMessage(0);
});
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) seen.shift += each.value;
}).observe({ type: "layout-shift", buffered: true });
