"use strict";
(() => {
  const LARGEST = 18446744073709551615n, KEPT = 100, PAUSE = 120, TIMEOUT = 15000;
  const $ = (id) => document.getElementById(id);
  const history = []; // {slot, version, title}, perhaps with failed: true; the oldest first
  let looping = false, busy = false;

  const element = (tag, className, text) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  };

  function read() {
    const text = $("number").value.replace(/[\s_'.,]/g, "");
    if (!/^[0-9]+$/.test(text)) throw new Error("Enter a whole number, in digits.");
    const n = BigInt(text);
    if (n < 1n) throw new Error("0 has no prime factors: enter at least 1.");
    if (n > LARGEST) throw new Error("That is larger than " + LARGEST + ".");
    return n;
  }

  async function ask(n) {
    const began = performance.now();
    const response = await fetch("api/calculate", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ number: n.toString() }),
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
    const body = await response.json().catch(() => ({}));
    if (!response.ok) {
      const [version, slot, host] = ["X-Version", "X-Slot", "X-Host"].map((h) => response.headers.get(h));
      const error = new Error("HTTP " + response.status + ": " + (body.error || "no reason given"));
      throw Object.assign(error, { who: version ? { version, slot, host } : undefined });
    }
    return { body, trip: performance.now() - began };
  }

  function showFactors(body) {
    const powers = new Map();
    for (const f of body.factors) powers.set(f, (powers.get(f) || 0) + 1);
    const out = $("result");
    out.replaceChildren();
    if (powers.size === 0) out.append(element("span", "hint", "1 has no prime factors."));
    for (const [factor, power] of powers) {
      if (out.childNodes.length) out.append(element("span", "times", "×"));
      const e = element("span", "factor", factor);
      if (power > 1) e.append(element("sup", "", power));
      out.append(e);
    }
    if (body.factors.length === 1) out.append(element("span", "hint", "is prime"));
  }

  const nobody = { version: "–", slot: "", host: "" };

  function showWho(id, who) {
    const card = $(id);
    card.dataset.slot = who.slot;
    card.querySelector(".version").textContent = who.version;
    card.querySelector(".slot").textContent = who.slot === "none" ? "no slot" : who.slot;
    card.querySelector(".host").textContent = who.host;
  }

  const ms = (x) => (x < 10 ? x.toFixed(1) : x.toFixed(0)) + " ms";
  const notes = { off: "no cache", ok: "not cached yet", unavailable: "cache unavailable" };

  function showFailure(message, who) {
    $("result").replaceChildren(element("span", "problem", message));
    showWho("frontend", who || nobody);
    showWho("backend", nobody);
    const card = $("time");
    card.querySelector(".ms").textContent = "–";
    card.querySelector(".note").textContent = "failed";
    card.querySelector(".trip").textContent = "";
  }

  function show({ body, trip }) {
    showFactors(body);
    showWho("frontend", body.frontend);
    showWho("backend", body.backend);
    const card = $("time");
    card.querySelector(".ms").textContent = ms(body.milliseconds);
    card.querySelector(".note").textContent = body.cached ? "from the cache" : notes[body.cache];
    card.querySelector(".trip").textContent = ms(trip) + " to here and back";
  }

  function remember(entry) {
    history.push(entry);
    if (history.length > KEPT) history.shift();
    const groups = new Map();
    for (const h of history) {
      const who = h.slot === "none" ? h.version : h.version + " · " + h.slot;
      const name = !h.failed ? who : h.version ? who + ", failed" : "failed";
      const g = groups.get(name) || { name, slot: h.failed ? "failed" : h.slot, count: 0 };
      g.count++;
      groups.set(name, g);
    }
    const sorted = [...groups.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1));
    $("shares").replaceChildren(...sorted.map((g) => {
      const row = element("li", "share"), bar = element("span", "bar"), fill = element("i");
      const percent = Math.round((100 * g.count) / history.length) + " %";
      fill.dataset.slot = g.slot;
      fill.style.width = (100 * g.count) / history.length + "%";
      bar.append(fill);
      row.append(element("span", "name", g.name), bar, element("span", "percent", percent));
      return row;
    }));
    $("history").replaceChildren(...history.map((h) => {
      const e = element("i");
      e.dataset.slot = h.failed ? "failed" : h.slot;
      e.title = h.title;
      return e;
    }));
    $("history").setAttribute("aria-label", sorted.map((g) => g.name + ": " + g.count).join(", "));
    $("count").textContent = history.length === KEPT ? "(the last " + KEPT + ")" : "(" + history.length + ")";
  }

  // calculate asks once. It returns false when the number itself is wrong.
  async function calculate() {
    let n;
    try {
      n = read();
    } catch (e) {
      $("problem").textContent = e.message;
      return false;
    }
    busy = true;
    try {
      const answer = await ask(n);
      $("problem").textContent = "";
      show(answer);
      const who = answer.body.frontend;
      remember({ slot: who.slot, version: who.version, title: n + ": " + who.version + ", " + who.slot + ", " + who.host });
    } catch (e) {
      const message = e.name === "TimeoutError" ? "No answer within " + TIMEOUT / 1000 + " seconds." : e.message;
      $("problem").textContent = "";
      showFailure(message, e.who);
      remember({ failed: true, ...e.who, title: n + ": " + message });
    } finally {
      busy = false;
    }
    return true;
  }

  function setLoop(on) {
    looping = on;
    $("loop").setAttribute("aria-pressed", String(on));
    $("loop").textContent = on ? "Stop" : "Loop";
  }

  $("form").addEventListener("submit", (e) => {
    e.preventDefault();
    if (!busy) calculate();
  });
  $("loop").addEventListener("click", async () => {
    if (looping) return setLoop(false);
    setLoop(true);
    while (looping) {
      if (!busy && !(await calculate())) return setLoop(false);
      await new Promise((done) => setTimeout(done, PAUSE));
      if (!looping) return;
      try {
        const n = read();
        $("number").value = String(n === LARGEST ? 1n : n + 1n);
      } catch {
        // The person is typing: the next round will say what is wrong.
      }
    }
  });
})();
