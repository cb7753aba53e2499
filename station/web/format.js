import { has, t } from "./i18n.js";

// Below this a page counts as straight to the eye; saying "0.03° clockwise" would only distract.
const STRAIGHT = 0.05;

export function degrees(value) {
  return `${Math.abs(value).toFixed(2)}°`;
}

export function skew(page) {
  const { angle, applied } = page;
  if (typeof angle !== "number") return { mark: "unknown", text: t("skewNone"), done: "" };
  const done = [];
  const straight = Math.abs(angle) < STRAIGHT;
  // angle > 0 means the sheet lay turned counter-clockwise.
  const text = straight ? t("straight") : t(angle > 0 ? "ccw" : "cw", { deg: degrees(angle) });
  if (!straight) {
    if (Math.abs(applied ?? 0) < 0.005) done.push(t("notStraightened"));
    else if (Math.abs(applied - angle) < 0.005) done.push(t("straightened"));
    else done.push(t("straightenedBy", { deg: degrees(applied) }));
  }
  if (typeof page.confidence === "number") done.push(t("sure", { pct: `${Math.floor(page.confidence * 100)} %` }));
  return { mark: straight ? "ok" : angle > 0 ? "ccw" : "cw", text, done: done.join(" · ") };
}

export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 100) return t("sec", { n: s });
  if (s < 6000) return t("min", { n: Math.round(s / 60) });
  return t("hour", { n: Math.round(s / 3600) });
}

export function clock(date, seconds = true) {
  if (!(date instanceof Date) || Number.isNaN(date.getTime())) return "";
  const two = (n) => String(n).padStart(2, "0");
  const hm = `${two(date.getHours())}:${two(date.getMinutes())}`;
  return seconds ? `${hm}:${two(date.getSeconds())}` : hm;
}

export function took(ms) {
  return typeof ms === "number" ? t("took", { s: (ms / 1000).toFixed(1) }) : "";
}

const named = (group, value, also) => (has(`${group}.${value}`) ? t(`${group}.${value}`, also) : String(value ?? "?"));

export function flag(name, page) { return named("flag", name, { same: page.same_as ?? "?" }); }

const grade = (table, value) => table[value] ?? "unknown";

const LID = { closed: "ok", open: "warn", broken: "bad", unknown: "unknown" };
const CORNER = { in_place: "ok", away: "warn", unknown: "unknown" };
const BOARD = { present: "ok", absent: "bad", silent: "bad", wrong_version: "bad", not_used: "off" };
const POWER = { online: "ok", on_battery: "warn", low_battery: "bad", forced_shutdown: "bad", stale: "unknown", unreachable: "bad" };

/** The strip at the bottom: what each thing around the desk is doing, in plain words. */
export function surroundings(view) {
  const cells = [];
  const add = (id, mark, word, more = "", reading = null) =>
    cells.push({ id, mark, word, more, stale: Boolean(reading?.stale), age: reading?.age_ms ?? null });

  add("lid", grade(LID, view.lid), named("lid", view.lid));
  add("corner", grade(CORNER, view.corner), named("corner", view.corner));
  add("board", grade(BOARD, view.board), named("board", view.board),
    view.interlocks === "scanner" ? t("scannerGuards") : view.interlocks === "pins" ? t("pinsGuard") : "");

  const how = [named("source", view.source), named("mode", view.mode), `${view.dpi} dpi`].join(" · ");
  if (view.device) add("scanner", "ok", view.device, how);
  else add("scanner", "bad", t("noScanner"));

  const { room, power, network } = view;
  if (room) add("room", room.stale ? "unknown" : "ok", `${room.celsius.toFixed(1)} °C`, `${room.humidity.toFixed(0)} %RH`, room);
  else add("room", "off", t("roomNone"));

  if (power) {
    const charge = power.charge === null || power.charge === undefined ? "" : t("charge", { pct: Math.round(power.charge) });
    add("power", power.stale ? "unknown" : grade(POWER, power.state), named("power", power.state), charge, power);
  } else add("power", "off", t("powerNone"));

  if (!network) add("network", "off", t("networkNone"));
  else if (network.connected) {
    add("network", "ok", t("networkUp"), network.waiting > 0 ? t("networkWaiting", { n: network.waiting }) : t("networkClear"));
  } else add("network", "warn", t("networkDown"), network.waiting > 0 ? t("networkSafe", { n: network.waiting }) : "");
  return cells;
}
