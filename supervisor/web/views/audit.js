// The completeness view: whether every event of every station is here, and what was refused.

import { h } from '../dom.js';
import { ago, byName, clock, count, NOTHING } from '../format.js';
import { t } from '../i18n.js';
import { OLD_MS, stationOld } from '../truth.js';
import { badge, classes, empty, oldBadge } from './parts.js';

const EPOCH_CHARS = 12;
const COLUMNS = ['epoch', 'stored', 'through', 'lastNumber', 'verdict'];

export function audit(ctx) {
  const { data, failed } = ctx.proof;
  const old = data !== null && (failed || ctx.lost || ctx.proof.age() > OLD_MS);
  return h('div', { class: 'audit', key: 'audit' },
    h('header', { class: 'audit-head' },
      h('h1', null, t('audit'), old && oldBadge(ctx.proof.age())),
      h('p', { class: 'audit-why' }, t('auditWhy'))),
    data ? [
      failed && h('p', { class: 'audit-failed', key: 'failed', role: 'alert', 'data-testid': 'audit-failed' },
        h('strong', null, t('auditFailed')), h('span', null, t('auditFailedHelp'))),
      proofOf(ctx, data, old),
    ] : failed ? empty('failed', t('auditFailed'), t('auditFailedHelp')) : empty('loading', t('auditLoading'), t('auditLoadingHelp')));
}

function proofOf(ctx, data, old) {
  const names = [...new Set(data.streams.map((s) => s.station))];
  const stations = names.map((station) => ({ station, streams: data.streams.filter((s) => s.station === station) })).sort(byName);
  return [
    stations.length > 0 ? summary(ctx, data.streams, old) : empty('none', t('auditNone'), t('auditNoneHelp')),
    stations.map((s) => section(ctx, s, old)),
    data.refused_count > 0 && refused(ctx, data, old),
  ];
}

/** What is wrong with a stream: nothing, or some of broken, missing and disagree. */
function wrongs(stream) {
  const found = [stream.broken && 'broken', stream.missing_count > 0 && 'missing'].filter(Boolean);
  return found.length === 0 && stream.through !== stream.last ? ['disagree'] : found;
}

function summary(ctx, streams, old) {
  const having = (wrong) => streams.filter((s) => wrongs(s).includes(wrong));
  const missing = having('missing').reduce((sum, s) => sum + s.missing_count, 0);
  const parts = [
    missing > 0 && t('sumMissing', { n: count(missing) }),
    having('broken').length > 0 && t('sumBroken', { n: having('broken').length }),
    having('disagree').length > 0 && t('sumDisagree', { n: having('disagree').length }),
  ].filter(Boolean);
  const silent = ctx.lost ? [] : ctx.snapshot.stations.filter((s) => stationOld(ctx, s)).sort(byName);
  return h('div', { class: classes('audit-sum', { short: parts.length > 0, old }), key: 'sum' },
    h('p', { class: 'audit-sum-title', role: 'status', 'data-testid': 'audit-summary' }, (parts.length > 0 ? parts : [t('allHere')]).map((part) => h('span', null, part))),
    silent.length > 0 && h('p', { key: 'silent' }, t('unheard', { list: silent.map((s) => s.station).join(', ') })));
}

function section(ctx, { station, streams }, old) {
  return h('section', {
    key: `station ${station}`, class: classes('card audit-card', { old, grave: streams.some((s) => wrongs(s).length > 0) }),
    'data-testid': 'audit-station', 'data-station': station, 'aria-label': `${t('station')} ${station}`,
  },
  h('h2', null, station),
  h('table', { class: 'streams' },
    h('caption', { class: 'hidden' }, t('streamsOf', { station })),
    h('thead', null, h('tr', null, COLUMNS.map((name) => h('th', { scope: 'col', class: `col-${name}` }, t(name))))),
    h('tbody', null, streams.map((stream) => [row(ctx, stream), details(ctx, stream)]))));
}

function row(ctx, stream) {
  return h('tr', { key: stream.epoch, class: 'stream' },
    h('th', { scope: 'row' },
      h('span', { class: 'epoch', title: stream.epoch }, stream.epoch.slice(0, EPOCH_CHARS)), ' ',
      stream.current && badge('plain', t('currentEpoch'), 'current'),
      stream.first_time && h('span', { class: 'stream-span', key: 'span' }, span(ctx, stream))),
    ['stored', 'through', 'last'].map((field) => h('td', { class: 'number', key: field }, stream[field])),
    h('td', { class: 'verdict', key: 'verdict' }, verdict(stream)));
}

function span(ctx, stream) {
  const [first, last] = [stream.first_time, stream.last_time].map((time) => clock(Date.parse(time), ctx.now));
  return first === last ? first : `${first} – ${last}`;
}

function verdict(stream) {
  const words = { broken: t('chainBroken'), missing: t('missingCount', { n: count(stream.missing_count) }), disagree: t('disagree') };
  const found = wrongs(stream);
  return h('span', { class: 'verdicts', 'data-testid': 'audit-verdict', 'data-verdict': found.join(' ') || 'complete' },
    found.length > 0 ? found.map((wrong) => badge('bad', words[wrong], wrong)) : badge('ok', t('whole'), 'whole'));
}

/** What can be done about a stream that is not whole. */
function details(ctx, stream) {
  const found = wrongs(stream);
  if (found.length === 0) return null;
  const listed = stream.missing.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return h('tr', { key: `${stream.epoch} details`, class: 'details' }, h('td', { colspan: COLUMNS.length },
    found.includes('broken') && h('p', { key: 'broken' }, t('chainHelp')),
    found.includes('disagree') && h('p', { key: 'disagree' }, t('disagreeHelp')),
    !stream.current && stream.missing.length > 0 && h('p', { key: 'other' }, t('otherEpoch')),
    stream.missing.length > 0 && h('ul', { class: 'ranges', key: 'ranges', 'aria-label': t('ranges') }, stream.missing.map((r) => range(ctx, stream, r))),
    stream.missing_count > listed && h('p', { key: 'more' }, t('moreMissing', { n: count(stream.missing_count - listed) }))));
}

function range(ctx, stream, [from, to]) {
  const { station, epoch } = stream;
  const words = from === to ? String(from) : `${from}–${to}`;
  const ask = ctx.proof.asked({ station, epoch, from, to });
  const said = { asking: t('asking'), asked: t('asked'), failed: ask?.error ?? t('askFailed') };
  return h('li', { key: words },
    h('span', { class: 'range' }, words),
    stream.current && h('button', {
      type: 'button', class: 'ask', 'aria-label': t('askLabel', { range: words }), 'data-testid': 'audit-ask', 'data-ask': true,
      'data-station': station, 'data-epoch': epoch, 'data-from': from, 'data-to': to,
    }, t('ask')),
    // Always there, so that a screen reader hears when its text comes; the age beside it would be read out each second.
    h('span', { class: classes('ask-state', { failed: ask?.state === 'failed' }), role: 'status', lang: ask?.error ? 'en' : null, 'data-testid': 'audit-asked', key: 'state' }, ask && said[ask.state]),
    ask?.since && h('span', { class: 'ask-age', key: 'age' }, ago(ask.since.ms())));
}

function refused(ctx, { refused: list, refused_count: total }, old) {
  return h('section', { key: 'refused', class: classes('card audit-card refused', { old }), 'data-testid': 'audit-refused', 'aria-labelledby': 'refused-title' },
    h('h2', { id: 'refused-title' }, t('refused')),
    list.length < total && h('p', { key: 'part' }, t('refusedPart', { n: count(list.length), m: count(total) })),
    h('table', { 'aria-labelledby': 'refused-title', key: 'table' },
      h('thead', null, h('tr', null, ['time', 'station', 'number', 'reason'].map((name) => h('th', { scope: 'col', class: `col-${name}` }, t(name))))),
      h('tbody', null, list.map((message) => h('tr', null,
        h('td', { class: 'when' }, clock(Date.parse(message.at), ctx.now)),
        h('td', { class: 'at', title: message.topic }, message.station ?? NOTHING),
        h('td', { class: 'number', title: message.epoch }, message.seq ?? NOTHING),
        h('td', { class: 'reason', lang: 'en' }, message.reason))))));
}
