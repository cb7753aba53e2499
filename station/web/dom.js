// Small tools for the page's elements.
import { language } from "./i18n.js";

export const $ = (id) => document.getElementById(id);

// Writing only what changed keeps screen readers quiet and the operator's text selection alive.
export function say(id, text) {
  const el = $(id);
  const value = text ?? "";
  if (el.textContent !== value) el.textContent = value;
  return el;
}

export function show(id, on) { $(id).hidden = !on; }

export function mark(id, name) {
  const href = `#m-${name}`;
  if ($(id).getAttribute("href") !== href) $(id).setAttribute("href", href);
}

export function make(tag, className, text) {
  const el = document.createElement(tag);
  if (className) el.className = className;
  if (text !== undefined) el.textContent = text;
  return el;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#m-${name}`);
  svg.append(use);
  return svg;
}

const drawn = new Map();

/** Rebuilds a list only when its data or the language changed, so focus stays where it is. */
export function list(id, data, build) {
  const signature = language() + JSON.stringify(data);
  if (drawn.get(id) === signature) return false;
  drawn.set(id, signature);
  $(id).replaceChildren(...data.map(build));
  return true;
}
