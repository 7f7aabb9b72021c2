// What the console does beyond plain pages: keys, live parts, log tails. Every page reads and every
// form works without it.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  // Live parts: when the server says that something happened, this page is fetched again and every
  // element marked `data-live` takes the place of the one with its id.
  const REFRESH_MS_MIN = 700;
  const stripped = (element) => element.outerHTML
    .replace(/<time[^>]*>[^<]*<\/time>/g, "").replace(/ open(="")?(?=[ >])/g, "");
  const served = new Map();
  const remember = () => all("[data-live]").forEach((part) => served.set(part.id, stripped(part)));
  let refreshing = false, again = false, refreshed = 0;

  async function refresh() {
    if (refreshing) { again = true; return; }
    refreshing = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (fresh.title) document.title = fresh.title;
      for (const part of all("[data-live]")) replace(part, fresh.getElementById(part.id));
    } catch { /* The server is away; the event stream reconnects and asks again. */
    } finally {
      refreshing = false;
      refreshed = Date.now();
      if (again) { again = false; setTimeout(refresh, REFRESH_MS_MIN); }
    }
  }

  function replace(part, fresh) {
    if (!fresh) return;
    const html = stripped(fresh);
    if (served.get(part.id) === html) {
      const times = all("time", fresh);
      all("time", part).forEach((time, at) => {
        if (times[at]) time.textContent = times[at].textContent;
      });
      return;
    }
    const focus = document.activeElement;
    if (part.contains(focus) && /^(INPUT|TEXTAREA|SELECT)$/.test(focus.tagName)) return;
    const opened = all("details[id]", part).filter((d) => d.open).map((d) => d.id);
    const focused = part.contains(focus) ? focus.id : "";
    served.set(part.id, html);
    part.replaceWith(document.adoptNode(fresh));
    opened.forEach((id) => { const d = document.getElementById(id); if (d) d.open = true; });
    if (focused) document.getElementById(focused)?.focus();
    begin(fresh);
  }

  // Event streams are open only while the page is seen: a browser has six connections to a server,
  // and pages in the background or in its history would keep them all.
  const streams = new Map();
  let seen = true;
  function stream(key, address, handlers) {
    if (!window.EventSource || streams.has(key)) return;
    const source = new EventSource(address());
    for (const [name, handle] of Object.entries(handlers)) source.addEventListener(name, handle);
    streams.set(key, { source, address, handlers });
  }
  function close(key) {
    streams.get(key)?.source.close();
    streams.delete(key);
  }
  function look(visible) {
    if (visible === seen) return;
    seen = visible;
    for (const [key, { source, address, handlers }] of [...streams]) {
      source.close();
      if (!visible) continue;
      streams.delete(key);
      stream(key, address, handlers);
    }
    if (visible) refresh();
  }
  document.addEventListener("visibilitychange", () => look(!document.hidden));
  addEventListener("pagehide", () => look(false));
  addEventListener("pageshow", () => look(!document.hidden));

  function listen() {
    const source = document.body.dataset.events;
    if (!source) return;
    let waiting = 0;
    stream("events", () => source, {
      changed: () => {
        if (waiting) return;
        const wait = Math.max(0, refreshed + REFRESH_MS_MIN - Date.now());
        waiting = setTimeout(() => { waiting = 0; refresh(); }, wait);
      },
    });
    setInterval(() => { if (!document.hidden) refresh(); }, 15000);
  }

  // Log tails: lines of a running job are appended; the page follows only while its end is in view.
  function tail(log) {
    const last = () => all(".l[id]", log).pop()?.id.slice(1);
    const address = () => last() ? log.dataset.tail.replace(/after=\d+/, `after=${last()}`) : log.dataset.tail;
    stream(log, address, {
      lines: (event) => {
        const follow = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
        log.insertAdjacentHTML("beforeend", event.data);
        if (follow && log.hasAttribute("data-follow")) scrollTo(0, document.documentElement.scrollHeight);
      },
      end: () => { close(log); refresh(); },
    });
  }

  // A step that is opened fetches its lines; a log page fetches the next thousand when reached. The
  // links that they stand for stay when the server is away.
  async function fill(step) {
    const place = one("[data-lines]", step);
    if (!place || !step.open) return;
    const answer = await fetch(place.dataset.lines).catch(() => null);
    if (answer?.ok && place.isConnected) place.outerHTML = await answer.text();
  }
  const nearEnd = window.IntersectionObserver && new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) if (isIntersecting) { nearEnd.unobserve(target); more(target); }
  }, { rootMargin: "800px" });
  async function more(link) {
    const answer = await fetch(link.dataset.more).catch(() => null);
    if (!answer?.ok) return;
    const box = document.createElement("div");
    box.innerHTML = await answer.text();
    const next = one("[data-more]", box);
    link.replaceWith(...box.childNodes);
    if (next && nearEnd) nearEnd.observe(next);
  }

  // The slider through the past: where it stands is the page's address, and the parts that are
  // marked `data-live` follow it. It moves in whole seconds, a thousandth of the time at once, and a
  // mark stands at the first step at which its deployment had ended.
  function slide(form) {
    const { at, marks } = form.dataset;
    const field = one("input", form), home = form.getAttribute("action");
    const from = Math.ceil(form.dataset.from / 1000) * 1000, to = +form.dataset.to;
    const step = Math.max(1, Math.round((to - from) / 1e6)) * 1000;
    if (to - from < step) return;
    const range = document.createElement("input"), list = document.createElement("datalist");
    const note = document.createElement("small");
    Object.assign(range, { type: "range", min: from, max: to, step, value: at });
    note.id = "past-note";
    note.textContent = "From the first run to now; the marks are deployments";
    range.setAttribute("aria-labelledby", note.id);
    list.id = "past-marks";
    const snapped = (mark) => from + Math.ceil((mark - from) / step) * step;
    for (const mark of marks.split(",").filter(Boolean)) list.append(new Option("", snapped(mark)));
    range.setAttribute("list", list.id);
    const isNow = (ms) => ms + step > to;
    const written = (ms) => new Date(ms).toISOString().slice(0, 19);
    const say = (ms, now) => {
      range.setAttribute("aria-valuetext", now ? "now" : `${written(ms).replace("T", " ")} UTC`);
    };
    let waiting = 0;
    range.addEventListener("input", () => {
      const ms = +range.value, now = isNow(ms);
      field.value = written(now ? to : ms);
      say(ms, now);
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        history.replaceState(null, "", now ? home : `${home}?at=${ms}`);
        refresh();
      }, 200);
    });
    say(+at, +at === to);
    form.append(range, list, note);
  }

  // What scrolls sideways can be reached with the keyboard.
  function reach(root) {
    const wide = (part) => part.scrollWidth > part.clientWidth;
    all(".scroll, .wide", root).filter(wide).forEach((part) => { part.tabIndex = 0; });
  }

  function begin(root) {
    reach(root);
    all("form[data-slider]", root).forEach(slide);
    for (const key of [...streams.keys()]) if (key.isConnected === false) close(key);
    all("[data-tail]", root).forEach(tail);
    if (root.matches?.("[data-tail]")) tail(root);
    all("details.step", root).forEach((step) => {
      step.addEventListener("toggle", () => fill(step));
    });
    if (nearEnd) all("[data-more]", root).forEach((link) => nearEnd.observe(link));
    all("form[data-auto] select", root).forEach((field) => {
      field.addEventListener("change", () => field.form.requestSubmit());
    });
  }

  // Find or do.
  const palette = document.getElementById("palette"), keys = document.getElementById("keys");
  function choose(step) {
    const shown = all("li:not([hidden])", palette);
    const at = shown.findIndex((item) => item.classList.contains("on"));
    shown.forEach((item) => item.classList.remove("on"));
    const next = shown[Math.max(0, Math.min(shown.length - 1, at + step))];
    if (next) { next.classList.add("on"); next.scrollIntoView({ block: "nearest" }); }
  }
  function open() {
    if (!palette || palette.open) return;
    palette.showModal();
    const field = one("input", palette);
    field.value = "";
    filter("");
    field.focus();
  }
  function filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    all("li", palette).forEach((item) => {
      const has = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => has.includes(word));
      item.classList.remove("on");
    });
    choose(1);
  }
  if (palette) {
    one("input", palette).addEventListener("input", (event) => filter(event.target.value));
    palette.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        choose(event.key === "ArrowDown" ? 1 : -1);
      } else if (event.key === "Enter") {
        event.preventDefault();
        one("li.on a", palette)?.click();
      }
    });
    all("[data-find]").forEach((link) => link.addEventListener("click", (event) => {
      event.preventDefault();
      open();
    }));
  }

  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (typing || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    if (event.key === "/") { event.preventDefault(); open(); }
    else if (event.key === "?") { event.preventDefault(); keys?.showModal(); }
    else if (event.key === "f") {
      const field = document.getElementById("log-search"), link = document.getElementById("log-open");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
      else if (link) { event.preventDefault(); link.click(); }
    }
  });

  remember();
  begin(document);
  listen();
  one(".step[data-failed] > summary")?.scrollIntoView({ block: "nearest" });
})();
