import { age, clock, flag, skew, surroundings, took } from "./format.js";
import { $, icon, list, make, mark, say, show } from "./dom.js";
import { pick, t } from "./i18n.js";
import { alerts, overridable } from "./override.js";

const WORKING = new Set(["arming", "scanning", "certifying", "saving"]);
const OLD_MS = 10000;
const MARK = {
  connecting: "busy", lost: "link", fault: "bad", busy: "busy", hold: "warn", ready: "ok", choose: "choose", complete: "ok",
};

export const busy = (view) => Boolean(view) && WORKING.has(view.desk);

export function canStart(state) {
  const { view } = state;
  return state.link === "up" && !state.pending && view?.desk === "waiting" && view.holds.length === 0;
}

/** The one thing the big panel says; whatever makes the rest untrue comes first. */
function phase({ view, link, refusal }) {
  if (link === "lost") return "lost";
  if (!view) return "connecting";
  if (view.fault) return "fault";
  if (busy(view)) return "busy";
  if (refusal) return "hold";
  if (view.desk === "no_batch") return "choose";
  if (view.desk === "complete") return "complete";
  return view.holds.length ? "hold" : "ready";
}

export function render(state) {
  const view = state.view;
  const now = phase(state);
  document.body.dataset.phase = now;
  document.body.dataset.link = state.link;
  say("lang", t("toOther"));
  show("problem", Boolean(state.error));
  say("problem-text", state.error);
  status(state, now);
  buttons(state);
  document.body.dataset.choosing = String(view?.desk === "no_batch");
  document.body.dataset.wide = String(view?.desk === "no_batch" && !view.last_page);
  if (!view) {
    show("no-interlock", false);
    show("alerts", false);
    tick(state);
    return;
  }
  show("no-interlock", view.interlocks === "none");
  alerts(state);
  top(view);
  next(view);
  plans(view, state);
  last(view.last_page);
  list("cells", surroundings(view).map((c) => ({ ...c, age: c.age === null ? null : 0 })), cell);
  say("software", view.software);
  tick(state);
  const title = { ready: t("ready"), busy: t(view.desk) }[now] ?? $("status-title").textContent;
  fit();
  document.title = view.next ? `${view.next.number} · ${title}` : title;
}

/** What is wrong must be readable without scrolling: the next-page card gives way, step by step. */
function fit() {
  const panel = $("status");
  for (const step of ["0", "1", "2"]) {
    document.body.dataset.crowded = step;
    if (panel.scrollHeight <= panel.clientHeight + 1) return;
  }
}

function top(view) {
  const { batch } = view;
  say("operator", view.operator);
  say("station", view.station);
  say("batch-code", batch ? batch.batch : t("noBatchShort"));
  show("progress-box", Boolean(batch));
  say("batch-count", batch ? `${batch.pages} / ${batch.expected}` : "");
  $("batch-bar").value = batch?.expected > 0 ? Math.min(1, batch.pages / batch.expected) : 0;
  const current = view.next?.volume;
  const changed = list("volumes", (batch?.volumes ?? []).map((v) => ({ ...v, current: v.code === current })), (v) => {
    const done = v.expected > 0 && v.pages >= v.expected;
    const item = make("li", v.current ? "current" : done ? "done" : "");
    if (v.current) item.setAttribute("aria-current", "true");
    item.title = v.title ?? "";
    if (done) {
      const tick = icon("ok");
      tick.setAttribute("aria-label", t("volumeDone"));
      item.append(tick);
    }
    item.append(make("span", "", v.code), make("b", "", `${v.pages}/${v.expected}`));
    return item;
  });
  if (changed) {
    const here = $("volumes").querySelector(".current");
    if (here) $("volumes").scrollLeft = here.offsetLeft - $("volumes").offsetLeft - 40;
  }
}

function next(view) {
  show("next", Boolean(view.batch));
  if (!view.batch) return;
  const page = view.next;
  const feeder = view.source !== "flatbed";
  $("next").classList.toggle("none", !page);
  if (!page) {
    const finished = view.desk === "complete";
    say("next-label", finished ? "" : t("nothingNext"));
    say("next-code", finished ? t("allDone") : "—");
    say("next-title", finished ? "" : t("nothingNextWhat"));
    for (const id of ["next-before", "next-number", "next-after"]) say(id, "");
    show("next-tag", false);
    return;
  }
  say("next-label", t(busy(view) ? "onGlass" : feeder ? "feedNext" : "layNext"));
  say("next-code", page.volume).classList.toggle("long", page.volume.length > 20);
  say("next-title", page.title);
  say("next-before", t("pageBefore"));
  say("next-number", String(page.number));
  say("next-after", page.expected > 0 ? t("pageAfter", { expected: page.expected }) : t("pageAfterOpen"));
  // A whole volume missed is the worst error of the trade, so its edges are announced.
  const tag = page.expected > 0 && page.number > page.expected ? "beyond"
    : page.number === 1 ? "newVolume"
    : page.number === page.expected ? "lastOfVolume" : null;
  show("next-tag", Boolean(tag));
  if (tag) {
    say("next-tag", t(tag));
    $("next-tag").dataset.kind = tag;
  }
}

function plans(view, state) {
  show("choose", !view.batch);
  if (view.batch) { list("plans", [], () => null); return; }
  const offered = view.plans ?? [];
  show("no-plans", offered.length === 0);
  show("choose-title", offered.length > 0);
  list("plans", offered.map((p, i) => ({ ...p, key: i < 9 ? String(i + 1) : "" })), (p) => {
    const button = make("button", "plan");
    button.type = "button";
    button.dataset.testid = "plan";
    button.dataset.batch = p.batch;
    const volumes = p.volumes === 1 ? t("planVolumes1") : t("planVolumes", { n: p.volumes });
    const pages = t(p.kept > 0 ? "planPages" : "planFresh", p);
    const bar = make("progress");
    bar.max = 1;
    bar.value = p.expected > 0 ? Math.min(1, p.kept / p.expected) : 0;
    const words = make("span", "plan-words");
    words.append(make("strong", "", p.batch), make("span", "", `${volumes} · ${pages}`), bar);
    button.append(make("kbd", p.key ? "" : "blank", p.key), words);
    const item = make("li");
    item.append(button);
    return item;
  });
  for (const button of $("plans").querySelectorAll("button")) button.disabled = state.link !== "up" || state.pending === "open";
}

function status(state, now) {
  const { view, refusal } = state;
  let title = t(now);
  let text = "";
  let foot = "";
  let holds = [];
  const feeder = view && view.source !== "flatbed";
  const watched = view?.lid === "closed" && view.corner === "in_place" && view.interlocks !== "none";

  if (now === "connecting") text = t("connectingWhat");
  else if (now === "lost") text = t("lostWhat");
  else if (now === "fault") {
    if (view.fault.page) title = t("faultPage", { page: view.fault.page });
    holds = refusal ? refusal.holds : busy(view) ? [] : view.holds;
    foot = holds.length || view.desk !== "waiting" ? "" : t("faultFoot");
  } else if (now === "busy") {
    title = state.pending === "cancel" ? t("workingCancel") : t(view.desk);
    text = feeder ? t(view.desk === "saving" ? "savingWhat" : "feederWhat") : t(`${view.desk}What`);
  } else if (now === "hold") {
    holds = refusal ? refusal.holds : view.holds;
    title = t(!refusal ? "hold" : refusal.kind === "open" ? "openRefused" : "refused");
  } else if (now === "ready") text = t(feeder ? "readyFeeder" : watched ? "readyFlatbed" : "readyLook");
  else if (now === "choose") {
    holds = view.holds;
    text = t(view.plans?.length ? "chooseWhat" : "chooseNoneWhat");
  } else if (now === "complete") {
    const sheet = view.batch?.tracking_sheet;
    text = `${t("completeWhat", { pages: view.batch?.pages })} ${sheet ? t("completeSheet", { sheet }) : t("completeNoSheet")}`;
    foot = t("completeFoot");
  }

  mark("status-mark", MARK[now]);
  say("status-title", title);
  say("status-text", text);
  show("status-text", Boolean(text));
  say("status-foot", foot);
  show("status-foot", Boolean(foot));
  show("fault", now === "fault");
  say("fault-text", now === "fault" ? pick(view.fault.text) : "");
  say("fault-action", now === "fault" ? pick(view.fault.action) : "");
  passBar(now !== "lost" && busy(view) ? view : null);
  show("holds", holds.length > 0);
  $("holds").classList.toggle("many", holds.length > 1 || now !== "hold");
  $("holds").dataset.lead = now === "fault" ? t("alsoHolds") : "";
  list("holds", holds, (hold) => {
    const item = make("li");
    item.dataset.hold = hold.name;
    item.append(make("p", "what", pick(hold.text)), make("p", "do", pick(hold.action)));
    return item;
  });
}

function passBar(view) {
  const bar = $("pass-bar");
  bar.hidden = !view;
  if (!view) return;
  if (typeof view.progress === "number") bar.value = Math.max(0, Math.min(1, view.progress));
  else if (view.desk === "certifying" || view.desk === "saving") bar.value = 1;
  else bar.removeAttribute("value");
}

function buttons(state) {
  const { view, link } = state;
  const up = link === "up";
  const finished = view?.desk === "complete";
  const may = {
    start: canStart(state),
    cancel: up && state.pending !== "cancel" && (busy(view) || state.pending === "start"),
    close: up && finished && !state.pending,
  };
  for (const [id, on] of Object.entries(may)) {
    const button = $(id);
    // A disabled button that keeps the focus swallows the next Space.
    if (!on && document.activeElement === button) button.blur();
    button.disabled = !on;
  }
  show("start", !finished);
  show("close", Boolean(finished));
  $("key-start").classList.toggle("on", may.start);
  $("key-cancel").classList.toggle("on", may.cancel);
  $("key-close").classList.toggle("on", may.close);
  show("key-override", up && overridable(view) !== null);
  $("key-plan").classList.toggle("on", up && view?.desk === "no_batch" && view.plans?.length > 0);
}

function last(page) {
  show("last-empty", !page);
  show("last-body", Boolean(page));
  if (!page) return;
  const picture = $("preview");
  if (picture.getAttribute("src") !== page.preview) {
    // Hidden until it is the right one: an old picture beside a new number would be a lie.
    $("sheet").dataset.picture = "loading";
    show("preview-lost", false);
    picture.src = page.preview;
  }
  picture.alt = t("previewAlt", page);
  say("last-number", String(page.number));
  say("last-code", page.volume);
  const lay = skew(page);
  mark("skew-mark", lay.mark);
  say("skew-text", lay.text);
  say("skew-done", lay.done);
  mark("sealed-mark", ["none", "overridden"].includes(page.interlock) ? "warn" : "ok");
  $("sealed").dataset.kind = page.interlock;
  say("sealed-text", t(`sealed.${page.interlock}`));
  say("sealed-what", t(`sealedWhat.${page.interlock}`));
  list("flags", page.flags ?? [], (name) => {
    const item = make("li");
    item.dataset.flag = name;
    item.append(icon("warn"), make("span", "", flag(name, page)));
    return item;
  });
  say("last-time", clock(new Date(page.at)));
  say("last-took", took(page.took_ms));
  say("last-file", page.file);
}

function cell(c) {
  const item = make("li");
  item.dataset.testid = c.id;
  item.dataset.mark = c.mark;
  const words = make("span", "cell-words");
  const more = make("small");
  more.append(make("span", "more", c.more), make("span", "age"));
  words.append(make("span", "label", t(c.id)), make("strong", "", c.word), more);
  item.append(icon(c.mark), words, make("span", "old", t("old")));
  return item;
}

addEventListener("resize", fit);

/** What moves without news from the station: ages, the clock, and how long the silence has lasted. */
export function tick(state) {
  const { view } = state;
  if (!view) return;
  const since = performance.now() - state.receivedAt;
  say("clock", clock(new Date(Date.parse(view.now) + since)));
  const lost = state.link === "lost";
  for (const c of surroundings(view)) {
    const item = $("cells").querySelector(`[data-testid="${c.id}"]`);
    if (!item) continue;
    const ms = c.age === null ? null : c.age + since;
    const old = c.stale || lost;
    item.classList.toggle("stale", old);
    const text = ms !== null && (old || ms > OLD_MS) ? t("ago", { age: age(ms) }) : "";
    const el = item.querySelector(".age");
    if (el.textContent !== text) el.textContent = text;
  }
  show("status-foot", lost || $("status-foot").textContent !== "");
  if (lost) say("status-foot", t("lostFor", { age: age(since) }));
}
