// Numbers, times and ages as people read them.

import { lang, t } from './i18n.js';

const MINUS = '\u2212';
export const NOTHING = '—';

/** A count with its thousands marked. */
export function count(n) {
  return Number.isFinite(n) ? new Intl.NumberFormat(lang()).format(n) : NOTHING;
}

/** A measured number with fixed decimals. */
export function fixed(n, decimals = 1) {
  return Number.isFinite(n) ? n.toFixed(decimals).replace('-', MINUS) : NOTHING;
}

/** A length of time: `4 s`, `3 min`, `2 h 5 min`, `3 d`. */
export function duration(ms) {
  if (!Number.isFinite(ms)) return NOTHING;
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t('seconds', { n: s });
  const min = Math.floor(s / 60);
  if (min < 60) return t('minutes', { n: min });
  const hours = Math.floor(min / 60);
  if (hours < 48) return min % 60 ? t('hoursMinutes', { h: hours, m: min % 60 }) : t('hours', { n: hours });
  return t('days', { n: Math.floor(hours / 24) });
}

/** How long ago. */
export function ago(ms) {
  return t('ago', { d: duration(ms) });
}

/** Time of day; with the date in front if it is not the day of `now`. */
export function clock(ms, now = ms) {
  if (!Number.isFinite(ms)) return NOTHING;
  const date = new Date(ms);
  const time = date.toLocaleTimeString(lang(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.toLocaleDateString(lang(), { month: 'short', day: 'numeric' })} ${time}`;
}

/** A date for the head of the page. */
export function day(ms) {
  return new Date(ms).toLocaleDateString(lang(), { weekday: 'short', month: 'short', day: 'numeric' });
}

/** Pages of a plan, always `12 / 40`. */
export function ofExpected(pages, expected) {
  return `${pages} / ${expected > 0 ? expected : NOTHING}`;
}

/** Order of names in which desk-2 comes before desk-10. */
export function byName(a, b) {
  return a.station.localeCompare(b.station, 'en', { numeric: true });
}
