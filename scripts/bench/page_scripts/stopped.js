// Notes when Esc was pressed, and when the page says that it has stopped.
addEventListener("keydown", () => { seen.key = performance.now(); }, true);
new MutationObserver(() => {
  if (document.querySelector(".foot > .dim")) seen.stopped ??= performance.now();
}).observe(document.querySelector("#thread"), { subtree: true, childList: true });
