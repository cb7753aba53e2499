// Pieces that several views use.

import { h } from '../dom.js';
import { duration } from '../format.js';
import { t } from '../i18n.js';

/** A small label; `kind` is one of ok, warn, bad, old, plain. */
export function badge(kind, text, key, testid) {
  return h('span', { class: `badge ${kind}`, key, 'data-testid': testid }, text);
}

/** The mark of a value that is too old, with its age if that is known. */
export function oldBadge(ageMs) {
  return badge('old', ageMs === null ? t('old') : t('oldFor', { d: duration(ageMs) }), 'old');
}

/** A friendly word where there is nothing to show. */
export function empty(key, title, help, extra = null) {
  return h('div', { class: 'empty', key }, h('p', { class: 'empty-title' }, title), h('p', null, help), extra);
}

/** Class names from those that hold. */
export function classes(base, when) {
  return [base, ...Object.keys(when).filter((name) => when[name])].join(' ');
}
