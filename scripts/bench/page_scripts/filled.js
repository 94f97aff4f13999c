// Notes when the sky is drawn.
new MutationObserver((_, watch) => {
  if (!document.querySelector(".credit")) return;
  window.filled = performance.now();
  watch.disconnect();
}).observe(document, { subtree: true, childList: true });
