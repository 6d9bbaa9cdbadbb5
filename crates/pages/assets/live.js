// Keeps every element with data-live up to date: the server sends its content, rendered, as
// server-sent events. The browser reconnects by itself; meanwhile the page says that it stands still.
"use strict";
for (const element of document.querySelectorAll("[data-live]")) {
  const state = document.querySelector("[data-live-state]");
  const say = (text, name) => {
    if (state && state.textContent !== text) {
      state.textContent = text;
      state.className = "connection " + name;
    }
  };
  const source = new EventSource(element.dataset.live);
  source.onopen = () => say("live", "good");
  source.onerror = () => say("not connected, trying again", "bad");
  source.onmessage = (event) => {
    say("live", "good");
    const scrolled = [...element.querySelectorAll(".scroll")].map((region) => region.scrollLeft);
    element.innerHTML = event.data;
    element.querySelectorAll(".scroll").forEach((region, index) => { region.scrollLeft = scrolled[index] || 0; });
  };
}
