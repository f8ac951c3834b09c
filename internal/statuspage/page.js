// Keeps the page up to date by the stream /live, and makes the copy buttons work.
"use strict";
(() => {
  const state = document.getElementById("stream");
  let version = document.body.dataset.version;
  let source = null;
  let timer = 0;

  function show(text, live) {
    if (state.textContent !== text) state.textContent = text;
    state.classList.toggle("live", live);
  }

  function buttons(root) {
    for (const b of root.querySelectorAll("button[data-copy]")) b.hidden = false;
  }

  // The server has escaped the HTML of the sections.
  function replace(id, html) {
    const section = document.getElementById(id);
    if (!section) return;
    const focused = section.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.id || focused.dataset.copy);
    const list = section.querySelector(".events");
    const top = list ? list.scrollTop : 0;
    section.innerHTML = html;
    buttons(section);
    if (key) (document.getElementById(focused.id) || section.querySelector(`[data-copy="${key}"]`))?.focus();
    const next = section.querySelector(".events");
    if (next) next.scrollTop = top;
  }

  function stop() {
    clearTimeout(timer);
    if (source) source.close();
    source = null;
  }

  function retry(seconds) {
    stop();
    show("Not live: connecting again", false);
    timer = setTimeout(start, 1000 * seconds);
  }

  function start() {
    stop();
    if (document.hidden) return;
    source = new EventSource("live?since=" + encodeURIComponent(version));
    source.onopen = () => show("Live", true);
    source.onerror = () => retry(5);
    source.addEventListener("bye", () => retry(30));
    source.addEventListener("update", (e) => {
      version = e.lastEventId;
      for (const [id, html] of Object.entries(JSON.parse(e.data))) replace(id, html);
    });
  }

  // navigator.clipboard exists on HTTPS and on localhost alone.
  async function copy(code) {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(code.textContent);
      return;
    }
    getSelection().selectAllChildren(code);
    if (!document.execCommand("copy")) throw new Error("no clipboard");
  }

  document.addEventListener("click", async (e) => {
    const b = e.target.closest("button[data-copy]");
    if (!b) return;
    const before = b.innerHTML;
    try {
      await copy(document.getElementById(b.dataset.copy));
      b.textContent = "Copied";
      b.classList.add("done");
    } catch {
      b.textContent = "Select it";
    }
    setTimeout(() => { b.innerHTML = before; b.classList.remove("done"); }, 1500);
  });
  document.addEventListener("visibilitychange", start);
  addEventListener("pagehide", stop);
  buttons(document);
  start();
})();
