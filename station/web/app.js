import { t, toggleLanguage, translateStatic } from "./i18n.js";
import { ask, wire } from "./override.js";
import { busy, canStart, render, tick } from "./render.js";

// The station speaks at least every 2 s; twice that plus a little slack means it is gone.
const SILENCE_MS = 5000;
const RETRY_MS = 1500;
const REFUSAL_MS = 8000;
const ANSWER_MS = 10000;

const state = {
  view: null,
  receivedAt: 0,
  heardAt: performance.now(),
  link: "connecting",
  pending: null,
  refusal: null,
  error: null,
};

const $ = (id) => document.getElementById(id);
const paint = () => render(state);

function accept(view) {
  // A refusal speaks about the moment it was given; once the desk moves on it would mislead.
  if (state.refusal && view.desk !== state.refusal.desk) state.refusal = null;
  state.view = view;
  state.receivedAt = state.heardAt = performance.now();
  state.link = "up";
  paint();
}

let source = null;
let retry = 0;

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("view", (event) => {
    let view;
    try { view = JSON.parse(event.data); } catch { return; }
    accept(view);
  });
  source.onerror = () => {
    lose();
    // The browser gives up for good after an HTTP error, and only then must we ask again.
    if (source.readyState === EventSource.CLOSED) reconnectSoon();
  };
}

function reconnectSoon() {
  clearTimeout(retry);
  retry = setTimeout(connect, RETRY_MS);
}

function lose() {
  state.link = "lost";
  paint();
}

let watchedAt = performance.now();

function watch() {
  const now = performance.now();
  if (now - state.heardAt > SILENCE_MS) {
    if (state.link !== "lost") lose();
    // A half-open connection never reports an error by itself.
    if (now - watchedAt > SILENCE_MS) {
      watchedAt = now;
      connect();
    }
  } else watchedAt = now;
  if (state.refusal && now - state.refusal.at > REFUSAL_MS) {
    state.refusal = null;
    paint();
  }
  tick(state);
}

async function act(kind, body) {
  if (state.pending === kind || (state.pending && kind !== "cancel")) return;
  state.pending = kind;
  state.refusal = null;
  state.error = null;
  paint();
  try {
    const answer = await fetch(`/api/${kind}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Platen": "1" },
      body: JSON.stringify(body ?? {}),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const json = await answer.json().catch(() => ({}));
    if (answer.ok) return; // the view that follows tells the rest
    if (answer.status === 409 && Array.isArray(json.refused) && json.refused.length) {
      state.refusal = { kind, holds: json.refused, at: performance.now(), desk: state.view?.desk };
    } else state.error = json.error || `HTTP ${answer.status}`;
  } catch {
    state.error = t("noAnswer");
  } finally {
    if (state.pending === kind) state.pending = null;
    paint();
  }
}

function start() {
  if (canStart(state)) act("start");
  else nudge();
}

/** The operator pressed and nothing will happen: draw the eye to the reason. */
function nudge() {
  const panel = $("status");
  panel.classList.remove("nudge");
  void panel.offsetWidth;
  panel.classList.add("nudge");
}

function cancel() {
  if (state.link === "up" && (busy(state.view) || state.pending === "start")) act("cancel");
  else if (state.error) { state.error = null; paint(); }
}

function open(batch) {
  if (state.link === "up" && state.view?.desk === "no_batch") act("open", { batch });
}

function closeBatch() {
  if (state.link === "up" && state.view?.desk === "complete") act("close");
}

function switchLanguage() {
  toggleLanguage();
  translateStatic();
  paint();
}

// With a Chinese input method on, `key` is "Process" and only `code` names the key.
function keyOf(event) {
  if (event.key !== "Process" && event.key !== "Unidentified") return event.key;
  const code = event.code;
  if (code === "Space") return " ";
  if (code.startsWith("Key")) return code.slice(3).toLowerCase();
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code);
  return digit ? digit[1] : code === "NumpadEnter" ? "Enter" : code;
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || $("override").open) return;
  const key = keyOf(event);
  const focused = document.activeElement;
  const onStart = focused === $("start");
  const onControl = focused?.closest?.("button, select, input, textarea, a[href]");

  if (key === " " || key === "Enter") {
    // A held key must not start page after page; the browser's own click on Start repeats too.
    if (event.repeat && (onStart || !onControl)) { event.preventDefault(); return; }
    if (onControl) return;
    event.preventDefault();
    start();
    return;
  }
  if (event.repeat) return;
  if (key === "Escape") cancel();
  else if (key === "l" || key === "L") switchLanguage();
  else if (key === "c" || key === "C") closeBatch();
  else if ((key === "o" || key === "O") && state.link === "up") {
    // Or the letter would be the first one of the reason.
    event.preventDefault();
    if (!ask(state.view)) nudge();
  }
  else if (/^[1-9]$/.test(key) && state.view && !state.view.batch) {
    const plan = state.view.plans?.[Number(key) - 1];
    if (plan) open(plan.batch);
  }
}

/** After a mouse click the focus must go back to the page, or Space would press that button again. */
function onClick(button, run) {
  button.addEventListener("click", (event) => {
    if (event.detail > 0) button.blur();
    run(event);
  });
}

onClick($("start"), start);
onClick($("cancel"), cancel);
onClick($("close"), closeBatch);
onClick($("lang"), switchLanguage);
wire((body) => act("override", body), (body) => act("override/end", body));
onClick($("problem-close"), () => { state.error = null; paint(); });
$("plans").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-batch]");
  if (button) open(button.dataset.batch);
});
document.addEventListener("keydown", onKey);

const preview = $("preview");
preview.addEventListener("load", () => { $("sheet").dataset.picture = "shown"; });
preview.addEventListener("error", () => { $("sheet").dataset.picture = "lost"; $("preview-lost").hidden = false; });

translateStatic();
paint();
connect();
setInterval(watch, 500);
fetch("/api/view").then((r) => (r.ok ? r.json() : null)).then((view) => {
  // Only to show something at once; a stream that has already spoken knows better.
  if (view && !state.view) accept(view);
}).catch(() => {});
