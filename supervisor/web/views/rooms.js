// The rooms view: temperature, humidity and power of each station's room, and the last day.

import { h } from '../dom.js';
import { byName, duration, fixed } from '../format.js';
import { t, word } from '../i18n.js';
import { ageOf, isOld, powerOld, valueState } from '../truth.js';
import { badge, classes, empty, oldBadge } from './parts.js';

const BADGE = { ok: 'ok', high: 'bad', low: 'bad', old: 'old', none: 'plain' };
const POWER_BADGE = { online: 'ok', on_battery: 'warn', low_battery: 'bad', forced_shutdown: 'bad', stale: 'old', unreachable: 'bad' };

export function rooms(ctx) {
  const list = [...ctx.snapshot.rooms].sort(byName);
  return h('div', { class: 'rooms', key: 'rooms' },
    h('h1', { class: 'hidden' }, t('rooms')),
    list.length > 0
      ? h('div', { class: 'room-grid', key: 'grid' }, list.map((room) => card(ctx, room)))
      : empty('none', t('noRooms'), t('noRoomsHelp')));
}

function card(ctx, room) {
  const old = isOld(ctx, room) && room.age_ms !== null;
  const age = ageOf(ctx, room.age_ms);
  const late = room.late_by_ms ?? null;
  const celsius = valueState(ctx, room, room.celsius, room.celsius_state);
  const humidity = valueState(ctx, room, room.humidity, room.humidity_state);
  const out = [celsius, humidity].some((s) => s === 'high' || s === 'low');
  const grave = out || ['low_battery', 'forced_shutdown'].includes(room.power?.state);
  const warn = !grave && ['on_battery', 'stale', 'unreachable'].includes(room.power?.state);
  return h('article', {
    key: room.station, class: classes('card room', { old: old || ctx.lost, grave, fault: warn, silent: age === null }), 'data-testid': 'room-card',
    'data-station': room.station, 'data-old': String(old || ctx.lost), 'aria-label': `${t('rooms')} ${room.station}`,
  },
  h('header', { class: 'card-head' }, h('h2', null, room.station),
    h('span', { class: 'badges' }, late !== null && badge('old', t('arrivedLate', { d: duration(late) }), 'late'), old || ctx.lost ? oldBadge(age)
      : h('span', { class: 'read-age', key: 'age' }, age === null ? t('noReading') : t('reading', { d: duration(age) })))),
  h('div', { class: 'climate' },
    value('celsius', t('temperature'), room.celsius, '°C', room.celsius_limits, celsius, room.station),
    value('humidity', t('humidity'), room.humidity, '%', room.humidity_limits, humidity, room.station)),
  power(ctx, room.power));
}

function value(name, label, reading, unit, limits, state, station) {
  const [lo, hi] = limits;
  return h('section', { class: `measure ${name} is-${state}`, key: name, 'aria-label': label },
    h('p', { class: 'measure-label' }, h('span', null, label), badge(BADGE[state] ?? 'plain', word('state', state), 'state')),
    h('p', { class: 'measure-number', 'data-testid': name, 'data-state': state },
      h('span', { class: 'num' }, fixed(reading)), h('span', { class: 'unit' }, ` ${unit}`)),
    gauge(reading, lo, hi),
    h('p', { class: 'measure-limits' }, t('limits', { lo, hi, unit })),
    // The charts keep their own canvas here; a render must not touch it.
    h('div', { class: 'chart', key: 'chart', opaque: true, 'data-chart': name, 'data-station': station }));
}

/** Where the value lies: the band is what is allowed, half of its width is drawn on each side. */
function gauge(reading, lo, hi) {
  const from = lo - (hi - lo) / 2;
  const at = (v) => Math.min(Math.max((v - from) / (2 * (hi - lo)), 0), 1) * 100;
  return h('svg', { class: 'gauge', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    h('rect', { class: 'gauge-all', x: 0, y: 2, width: 100, height: 4 }),
    h('rect', { class: 'gauge-band', x: 25, y: 2, width: 50, height: 4 }),
    Number.isFinite(reading) && h('rect', { class: 'gauge-mark', x: (at(reading) - 0.6).toFixed(2), y: 0, width: 1.2, height: 8 }));
}

function power(ctx, supply) {
  if (supply === null || supply === undefined) {
    return h('p', { class: 'power none', key: 'power', 'data-testid': 'power', 'data-state': 'none' },
      h('span', { class: 'power-label' }, t('power')), badge('plain', word('powerState', 'none'), 'state'));
  }
  const old = powerOld(ctx, supply);
  const facts = [
    supply.charge !== null && t('charge', { n: fixed(supply.charge, 0) }),
    supply.runtime_s !== null && t('runtime', { d: duration(supply.runtime_s * 1000) }),
  ].filter(Boolean).join(' · ');
  return h('p', { class: classes(`power is-${supply.state}`, { old }), key: 'power', 'data-testid': 'power', 'data-state': old ? 'old' : supply.state },
    h('span', { class: 'power-label' }, t('power')),
    badge(old && supply.state !== 'unreachable' ? 'plain' : POWER_BADGE[supply.state] ?? 'plain', word('powerState', supply.state), 'state'),
    h('span', { class: 'power-facts' }, facts),
    old && oldBadge(isOld(ctx, supply) ? ageOf(ctx, supply.age_ms) : null));
}
