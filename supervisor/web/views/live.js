// The live view: how many pages, what is wrong, every station, the latest batches.

import { h } from '../dom.js';
import { byName, clock, count, duration, ofExpected } from '../format.js';
import { faultWords, t } from '../i18n.js';
import { ageOf, isLate, stationOld } from '../truth.js';
import { alarmsPanel } from './alarms.js';
import { bar, batchWarnings, interlockWarning, lastPage, progress, volumeList } from './batch.js';
import { badge, classes, empty, oldBadge } from './parts.js';

/** With so few stations a card has room for its volumes. */
const ROOMY = 2;

export function live(ctx) {
  const stations = [...ctx.snapshot.stations].sort(byName);
  return h('div', { class: 'live', key: 'live' },
    h('h1', { class: 'hidden' }, t('live')),
    overview(ctx, stations),
    alarmsPanel(ctx),
    h('section', { class: 'stations', key: 'stations', 'aria-labelledby': 'stations-title' },
      h('h2', { id: 'stations-title' }, t('stations')),
      stations.length > 0
        ? h('div', { class: 'station-grid', key: 'grid' }, stations.map((s) => card(ctx, s, stations.length <= ROOMY)))
        : empty('none', t('noStations'), t('noStationsHelp'), h('code', null, ctx.snapshot.broker.url))),
    batches(ctx));
}

function overview(ctx, stations) {
  const online = stations.filter((s) => s.online).length;
  const late = stations.some((s) => isLate(ctx, s));
  const sum = (field) => stations.reduce((total, s) => total + (s[field] ?? 0), 0);
  const note = stationsNote(ctx, stations);
  const alarms = ctx.snapshot.alarms;
  const grave = alarms.some((a) => a.severity === 'alarm');
  const tile = (key, label, value, extra = {}) => h('div', { class: classes('kpi', { old: ctx.lost, ...extra }), key, 'data-testid': `kpi-${key}` },
    h('dt', null, label), h('dd', null, value, ctx.lost && badge('old', t('old'), 'old')));
  return h('section', { class: 'overview', key: 'overview', 'aria-label': t('overview') },
    h('dl', { class: 'kpis' },
      tile('pages-today', t('pagesToday'), count(sum('pages_today'))),
      tile('pages-hour', t('pagesHour'), count(sum('pages_last_hour'))),
      tile('stations', t('stationsOnline'), [`${online} / ${stations.length}`, note && h('span', { class: 'kpi-note' }, note)], { warn: online < stations.length || late }),
      tile('alarms', t('openAlarms'), count(alarms.length), { bad: grave, warn: !grave && alarms.length > 0 })));
}

function stationsNote(ctx, stations) {
  if (ctx.lost || stations.length === 0) return null;
  const old = stations.filter((s) => stationOld(ctx, s)).length;
  const late = stations.filter((s) => isLate(ctx, s)).length;
  const parts = [old > 0 && t('partOld', { n: old, m: stations.length }), late > 0 && t(late === 1 ? 'oneLate' : 'someLate', { n: late })];
  return parts.filter(Boolean).join(' · ') || t('allReport');
}

function card(ctx, station, roomy) {
  const old = stationOld(ctx, station);
  const late = isLate(ctx, station);
  const grave = station.faults.some((f) => f.severity === 'alarm');
  const age = ageOf(ctx, station.age_ms);
  const batch = station.batch;
  return h('article', {
    key: station.station, class: classes('card station', { old, late, grave, fault: !grave && station.faults.length > 0 }),
    'data-testid': 'station-card', 'data-station': station.station, 'data-old': String(old), 'aria-label': `${t('station')} ${station.station}`,
  },
  h('header', { class: 'card-head' },
    h('h3', null, station.station),
    batch && h('span', { class: 'operator', title: t('operator') }, batch.operator),
    h('span', { class: 'badges' },
      late ? badge('old', t('lateFor', { d: duration(ageOf(ctx, station.late_ms)) }), 'late', 'late')
        : !old && station.catching_up && badge('warn', t('catchingUp'), 'catching-up'),
      old && oldBadge(age), station.online ? !old && badge('ok', t('online')) : badge('bad', t('offline'), 'offline'))),
  station.faults.map((fault) => faultBox(ctx, fault)),
  batch ? batchPart(ctx, batch, roomy, late) : h('p', { class: 'no-batch', key: 'no-batch' }, t('noBatch')),
  h('dl', { class: 'metrics', key: 'metrics' },
    metric(t('today'), station.pages_today, late), metric(t('lastHour'), station.pages_last_hour, late),
    metric(t('voided'), batch ? batch.voided : 0, late), metric(t('waiting'), station.waiting)));
}

function batchPart(ctx, batch, roomy, late) {
  const volume = batch.volumes.find((v) => v.code === batch.last_page?.volume);
  return h('div', { class: classes('batch', { old: late }), key: 'batch' },
    progress(batch), bar(batch),
    h('p', { class: 'batch-line' },
      h('span', null, `${t('batch')} ${batch.batch}`),
      volume && h('span', { lang: 'zh-CN' }, `${volume.code} ${volume.title}`)),
    batchWarnings(batch), lastPage(ctx, batch.last_page), volumeList(batch, roomy));
}

function faultBox(ctx, fault) {
  const { text, action } = faultWords(fault);
  return h('div', { class: classes('fault-box', { grave: fault.severity === 'alarm' }), key: `fault ${fault.fault}` },
    h('p', { class: 'fault-text', title: fault.text, lang: text === fault.text ? 'en' : null }, text,
      h('span', { class: 'fault-age' }, ` · ${duration(ctx.now - Date.parse(fault.since))}`)),
    action && h('p', { class: 'fault-action' }, '→ ', action));
}

function metric(label, value, old = false) {
  return h('div', { key: label, class: classes('metric', { old }) }, h('dt', null, label), h('dd', null, count(value)));
}

function batches(ctx) {
  const list = ctx.snapshot.batches;
  return h('section', { class: 'batches', key: 'batches', 'aria-labelledby': 'batches-title' },
    h('h2', { id: 'batches-title' }, t('batches'), ctx.lost && badge('old', t('old'), 'old')),
    list.length > 0
      ? h('ul', { class: 'batch-list', key: 'list' }, list.map((batch) => row(ctx, batch)))
      : empty('none', t('noBatches'), t('noBatchesHelp')));
}

function row(ctx, batch) {
  const station = ctx.snapshot.stations.find((s) => s.station === batch.station);
  // A finished batch does not change any more, so a silent station does not make it old; a lost stream does.
  const old = ctx.lost || (!batch.completed && (!station || stationOld(ctx, station)));
  const late = !batch.completed && station && isLate(ctx, station);
  return h('li', { key: `${batch.station} ${batch.batch} ${batch.opened_at}`, class: classes('batch-row', { old }), 'data-testid': 'batch-row', 'data-batch': batch.batch },
    h('p', { class: 'row-head' },
      h('strong', null, batch.batch),
      h('span', { class: 'row-number', 'data-testid': 'batch-row-progress' }, ofExpected(batch.pages, batch.expected)),
      old ? badge('old', t('old'), 'old') : late ? badge('old', t('late'), 'late') : batch.completed ? badge('ok', t('completed'), 'state') : badge('plain', t('open'), 'state')),
    bar(batch),
    h('p', { class: 'row-foot' },
      [batch.station, batch.operator, t('opened', { time: clock(Date.parse(batch.opened_at), ctx.now) }),
        batch.voided > 0 && `${t('voided')} ${batch.voided}`].filter(Boolean).join(' · ')),
    interlockWarning(batch.last_page) && h('p', { class: 'chips', key: 'chips' }, interlockWarning(batch.last_page)));
}
