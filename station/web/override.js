// What somebody must look at, and the override of a broken sensor by two persons.
import { $, icon, list, make, show } from "./dom.js";
import { age } from "./format.js";
import { pick, t } from "./i18n.js";

// The holds that an override can lift, and whose sensor is to blame.
const SENSOR = {
  "lid-open": "lid", "lid-broken": "lid", "lid-stuck": "lid", "lid-disagrees": "lid",
  "not-in-corner": "corner", "corner-broken": "corner", "corner-stuck": "corner",
  "board-absent": "board", "board-silent": "board", "board-version": "board",
};
const SENSORS = ["lid", "corner", "board"];

let end = () => {};

/** The sensor that stands against a start, if two persons may answer for it. */
export function overridable(view) {
  if (!view || view.desk !== "waiting" || (view.persons?.length ?? 0) < 2) return null;
  return view.holds.map((hold) => SENSOR[hold.name]).find(Boolean) ?? null;
}

/** Alarms that the status panel does not show already, and the overrides in force. */
export function alerts(state) {
  const { view } = state;
  const told = new Set([...view.holds.map((h) => h.name), view.fault?.name]);
  const faults = view.faults.filter((f) => !told.has(f.name) && !f.name.startsWith("override-"));
  const overrides = view.overrides.map((o) => ({ ...o, left_s: Math.ceil(o.left_s / 60) * 60 }));
  show("alerts", faults.length + overrides.length > 0);
  list("alerts", [...overrides, ...faults], (alert) => {
    const item = make("li");
    const words = make("span", "alert-words");
    if (alert.sensor) {
      item.className = "override";
      item.dataset.sensor = alert.sensor;
      const left = t("overrideLeft", { age: age(alert.left_s * 1000), pages: alert.pages });
      words.append(make("strong", "", t("overridden", { sensor: t(`sensor.${alert.sensor}`) })),
        make("span", "", `${alert.by.join(" + ")}: ${alert.reason}`), make("span", "dim", left));
      const button = make("button", "", t("overrideEnd"));
      button.type = "button";
      button.addEventListener("click", () => end(alert.sensor));
      item.append(icon("warn"), words, button);
    } else {
      item.dataset.fault = alert.name;
      words.append(make("strong", "", pick(alert.text)), make("span", "", `→ ${pick(alert.action)}`));
      item.append(icon("bad"), words);
    }
    return item;
  });
}

/** Asks who answers for the sensor. */
export function ask(view) {
  const sensor = overridable(view);
  if (!sensor) return false;
  for (const id of ["override-first", "override-second"]) {
    $(id).replaceChildren(...view.persons.map((name) => new Option(name, name)));
  }
  $("override-second").selectedIndex = 1;
  $("override-sensor").replaceChildren(...SENSORS.map((name) => new Option(t(`sensor.${name}`), name)));
  $("override-sensor").value = sensor;
  for (const id of ["override-first-pin", "override-second-pin", "override-reason"]) $(id).value = "";
  $("override-minutes").value = "30";
  $("override").showModal();
  $("override-reason").focus();
  return true;
}

/** `begin(body)` and `stop(body)` send what was asked for. */
export function wire(begin, stop) {
  end = (sensor) => stop({ sensor });
  const dialog = $("override");
  $("override-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const who = (id) => ({ name: $(id).value, pin: $(`${id}-pin`).value });
    const body = {
      sensor: $("override-sensor").value, minutes: Number($("override-minutes").value), reason: $("override-reason").value,
      first: who("override-first"), second: who("override-second"),
    };
    dialog.close();
    begin(body);
  });
  $("override-cancel").addEventListener("click", () => dialog.close());
}
