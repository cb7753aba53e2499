// The list of alarms, and their words.

import { h } from '../dom.js';
import { duration, fixed } from '../format.js';
import { faultWords, lang, t, word, wordOrNull } from '../i18n.js';
import { ageOf, allHeard, isLate, isOld } from '../truth.js';
import { badge, classes, empty } from './parts.js';

export function alarmsPanel(ctx) {
  const alarms = sorted(ctx.snapshot.alarms);
  return h('section', { class: 'alarms', key: 'alarms', 'aria-labelledby': 'alarms-title' },
    h('h2', { id: 'alarms-title' }, t('alarms'), ctx.lost && badge('old', t('old'), 'old')),
    alarms.length > 0
      ? h('ul', { class: 'alarm-list', key: 'list' }, alarms.map((alarm) => item(ctx, alarm)))
      : nothing(ctx));
}

/** A name under which an alarm is the same one in the next snapshot. */
export function alarmKey(alarm) {
  // Only of faults one kind may stand twice; elsewhere the text counts seconds or degrees and changes all the time.
  return [alarm.station, alarm.kind, alarm.since, alarm.kind === 'fault' ? alarm.text : ''].join('\n');
}

/** Text and action of an alarm in the language of the page. */
export function alarmWords(ctx, alarm) {
  if (alarm.kind === 'fault') {
    const station = ctx.snapshot.stations.find((s) => s.station === alarm.station);
    const fault = station?.faults.find((f) => (alarm.fault ? f.fault === alarm.fault : f.text === alarm.text));
    const words = faultWords(fault ?? alarm);
    return { text: words.text, action: words.action };
  }
  const action = wordOrNull('kindAction', alarm.kind);
  return { text: lang() === 'en' ? alarm.text : chinese(ctx, alarm), action };
}

function sorted(alarms) {
  const rank = (alarm) => (alarm.severity === 'alarm' ? 0 : 1);
  return [...alarms].sort((a, b) => rank(a) - rank(b) || b.since.localeCompare(a.since));
}

function item(ctx, alarm) {
  const { text, action } = alarmWords(ctx, alarm);
  const grave = alarm.severity === 'alarm';
  return h('li', {
    key: alarmKey(alarm), class: classes('alarm', { grave, old: ctx.lost }), 'data-testid': 'alarm',
    'data-station': alarm.station, 'data-kind': alarm.kind,
  },
  h('p', { class: 'alarm-head' },
    h('strong', null, alarm.station), h('span', null, word('kind', alarm.kind)),
    h('span', { class: 'alarm-age' }, t('since', { d: duration(ctx.now - Date.parse(alarm.since)) }))),
  h('p', { class: 'alarm-text', title: alarm.text, lang: text === alarm.text ? 'en' : null }, text),
  action && h('p', { class: 'alarm-action' }, '→ ', action));
}

function nothing(ctx) {
  return allHeard(ctx)
    ? h('div', { class: 'calm', key: 'calm' }, h('p', { class: 'calm-title' }, t('noAlarms')), h('p', null, t('noAlarmsHelp')))
    : empty('unknown', t('noAlarmsKnown'), t('noAlarmsKnownHelp'));
}

/** The server says it in English; in Chinese the station's and the room's own values say what is wrong. */
function chinese(ctx, alarm) {
  const plain = wordOrNull('alarmText', alarm.kind) ?? alarm.text;
  const station = ctx.snapshot.stations.find((s) => s.station === alarm.station);
  return (station && ofStation(ctx, alarm, station)) ?? ofRoom(ctx, alarm, plain);
}

function ofStation(ctx, alarm, station) {
  const off = station.clock_off_ms ?? null;
  if (alarm.kind === 'late' && isLate(ctx, station)) return t('waitsFor', { d: duration(ageOf(ctx, station.late_ms)) });
  if (alarm.kind === 'clock-wrong' && off !== null) return t(off > 0 ? 'clockFast' : 'clockSlow', { d: duration(Math.abs(off)) });
  return null;
}

function ofRoom(ctx, alarm, plain) {
  const room = ctx.snapshot.rooms.find((r) => r.station === alarm.station);
  if (!room) return plain;
  if (alarm.kind === 'power') return room.power ? word('powerState', room.power.state) : plain;
  const climate = {
    'room-temperature': ['temperature', room.celsius, room.celsius_state, room.celsius_limits, '°C'],
    'room-humidity': ['humidity', room.humidity, room.humidity_state, room.humidity_limits, '%'],
  }[alarm.kind];
  if (!climate || isOld(ctx, room)) return plain;
  const [name, value, state, [lo, hi], unit] = climate;
  if (state !== 'high' && state !== 'low') return plain;
  return `${t(name)}${word('state', state)}：${fixed(value)} ${unit}（${t('limits', { lo, hi, unit })}）`;
}
