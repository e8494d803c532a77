"use strict";
// Keeps the page new: asks for it again and takes over what differs, so that what is selected, scrolled to or unfolded stays.
(() => {
  const PERIOD = 5000;
  const SLOWEST = 60000;
  const PATIENCE = 8000;
  const LARGEST = 8 * 1024 * 1024;
  const live = document.getElementById("live");
  let timer = 0;
  let failures = 0;
  let asking = null;

  function takeOver(now, next) {
    if (now.isEqualNode(next)) {
      return;
    }
    if (now.nodeType !== 1 || now.nodeName !== next.nodeName || now.id !== next.id) {
      now.replaceWith(document.importNode(next, true));
      return;
    }
    for (const name of now.getAttributeNames()) {
      if (!next.hasAttribute(name) && name !== "open") {
        now.removeAttribute(name);
      }
    }
    for (const name of next.getAttributeNames()) {
      if (now.getAttribute(name) !== next.getAttribute(name)) {
        now.setAttribute(name, next.getAttribute(name));
      }
    }
    const from = [...now.childNodes];
    const to = [...next.childNodes];
    to.forEach((child, place) => {
      if (place < from.length) {
        takeOver(from[place], child);
      } else {
        now.appendChild(document.importNode(child, true));
      }
    });
    from.slice(to.length).forEach((child) => child.remove());
  }

  async function ask() {
    const request = new AbortController();
    const limit = setTimeout(() => request.abort(), PATIENCE);
    asking = request;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: request.signal });
      if (!answer.ok) {
        throw new Error("it answers " + answer.status);
      }
      const text = await answer.text();
      const next = new DOMParser().parseFromString(text.slice(0, LARGEST), "text/html");
      if (!next.getElementById("page")) {
        throw new Error("it answers with something else");
      }
      takeOver(document.getElementById("page"), next.getElementById("page"));
      takeOver(document.getElementById("icon"), next.getElementById("icon"));
      document.title = next.title;
      failures = 0;
      live.textContent = "";
    } catch (problem) {
      if (document.hidden) {
        return;
      }
      failures++;
      const why = problem.name === "AbortError" ? "it does not answer" : problem.message;
      if (failures === 1) {
        live.textContent = "Not current since " + new Date().toLocaleTimeString() + ": the agent cannot be asked (" + why + "). Trying again.";
      }
    } finally {
      clearTimeout(limit);
      asking = null;
      plan();
    }
  }

  function plan() {
    clearTimeout(timer);
    if (!document.hidden) {
      timer = setTimeout(ask, Math.min(SLOWEST, PERIOD * 2 ** failures));
    }
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) {
      asking?.abort();
    } else if (!asking) {
      ask();
    }
  });
  plan();
})();
