// How far a batch is: its bar, its volumes, its last page.

import { h } from '../dom.js';
import { ago, duration, fixed, ofExpected } from '../format.js';
import { t, word } from '../i18n.js';
import { ageOf } from '../truth.js';
import { badge, classes } from './parts.js';

const WIDTH = 1000;
const GAP = 4;
const GUARDED = new Set(['certified', 'watched_by_station', 'feeder']);

/** Volumes that are not whole although a later one was begun: a missed page is the worst error of the trade. */
export function shortVolumes(batch) {
  const last = batch.completed ? batch.volumes.length : batch.volumes.findLastIndex((v) => v.pages > 0);
  return batch.volumes.filter((v, i) => i < last && v.pages < v.expected);
}

/** One bar, one segment a volume, as wide as the volume is thick. */
export function bar(batch) {
  const volumes = batch.volumes.length > 0 ? batch.volumes : [{ pages: batch.pages, expected: batch.expected }];
  const size = (v) => Math.max(v.pages, v.expected, 1);
  const total = volumes.reduce((sum, v) => sum + size(v), 0);
  const gap = volumes.length > 40 ? 0 : GAP;
  const short = new Set(shortVolumes(batch));
  let x = 0;
  const rects = volumes.flatMap((v, i) => {
    const width = (size(v) / total) * WIDTH;
    const left = x;
    x += width;
    const inner = Math.max(width - (i < volumes.length - 1 ? gap : 0), 1);
    const part = Math.min(v.pages / size(v), 1);
    return [
      h('rect', { class: classes('seg', { short: short.has(v) }), x: left.toFixed(1), y: 0, width: inner.toFixed(1), height: 10 }),
      h('rect', { class: classes('seg-done', { short: short.has(v) }), x: left.toFixed(1), y: 0, width: (inner * part).toFixed(1), height: 10 }),
    ];
  });
  return h('svg', {
    class: 'bar', viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: 'none', role: 'img',
    'aria-label': t('progressLabel', { p: batch.pages, e: batch.expected }),
  }, rects);
}

/** The big number of a station. */
export function progress(batch) {
  const [done, expected] = ofExpected(batch.pages, batch.expected).split(' / ');
  const percent = batch.expected > 0 ? Math.floor((100 * batch.pages) / batch.expected) : null;
  return h('div', { class: 'progress' },
    h('p', { class: 'progress-number', 'data-testid': 'batch-progress' },
      h('span', { class: 'done' }, done), h('span', { class: 'of' }, ` / ${expected}`)),
    h('p', { class: 'percent' }, batch.completed ? badge('ok', t('completed')) : percent !== null && `${percent} %`));
}

function missing(short) {
  const named = short.slice(0, 2).map((v) => `${v.code} (${ofExpected(v.pages, v.expected)})`);
  return [...named, short.length > 2 && t('more', { n: short.length - 2 })].filter(Boolean).join(', ');
}

/** What should make somebody look at this batch. */
export function batchWarnings(batch) {
  const short = shortVolumes(batch);
  return [
    short.length > 0 && h('p', { class: 'warning', key: 'short' },
      t('missing', { list: missing(short) })),
    batch.pages > batch.expected && h('p', { class: 'warning', key: 'over' }, t('overrun')),
  ];
}

/** A guarded page is the rule and stays quiet; anything else is said aloud. */
export function interlockWarning(page) {
  return page && !GUARDED.has(page.interlock) && badge('bad', `⚠ ${word('interlock', page.interlock)}`, 'interlock');
}

/** The newest page in one or two lines. */
export function lastPage(ctx, page) {
  if (!page) return h('div', { class: 'last-page', 'data-testid': 'last-page', key: 'last' }, h('p', null, t('noPage')));
  const turned = Math.abs(page.applied) > 0;
  const angle = turned ? t('turned', { a: fixed(page.applied) })
    : page.flags.includes('askew') && t('notTurned', { a: fixed(page.angle) });
  const late = page.late_by_ms ?? null;
  const facts = [`${page.dpi} dpi`, word('mode', page.mode), angle, late !== null && t('arrivedLate', { d: duration(late) })];
  return h('div', { class: 'last-page', 'data-testid': 'last-page', key: 'last' },
    h('p', { class: 'last-head' },
      h('strong', null, t('page', { n: String(page.number).padStart(4, '0') })),
      h('span', { class: 'last-age' }, ago(ageOf(ctx, page.age_ms)))),
    h('p', { class: 'last-facts', title: word('interlock', page.interlock) }, facts.filter(Boolean).join(' · ')),
    (page.flags.length > 0 || interlockWarning(page)) && h('p', { class: 'chips' },
      interlockWarning(page), page.flags.map((flag) => badge('warn', word('flag', flag), flag))));
}

/** All volumes of a batch; open by itself only where there is room for it. */
export function volumeList(batch, open) {
  if (batch.volumes.length === 0) return null;
  const whole = batch.volumes.filter((v) => v.expected > 0 && v.pages >= v.expected).length;
  const short = new Set(shortVolumes(batch));
  return h('details', { class: 'volumes', key: 'volumes', open },
    h('summary', null, t('volumesDone', { n: whole, m: batch.volumes.length })),
    h('ul', null, batch.volumes.map((v) => h('li', { key: v.code, class: classes('', { short: short.has(v), whole: v.pages >= v.expected }) },
      h('span', { class: 'code' }, v.code), h('span', { class: 'vol-title', lang: 'zh-CN' }, v.title),
      h('span', { class: 'vol-pages' }, ofExpected(v.pages, v.expected))))));
}
