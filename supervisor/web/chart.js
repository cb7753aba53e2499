// The last day of each room. Gaps stay gaps: a line across them would claim readings nobody took.

import uPlot from '/vendor/uplot/uPlot.esm.js';
import { clock, fixed, NOTHING } from './format.js';
import { t } from './i18n.js';

const HOURS = 24;
const REFRESH_MS = 60_000;
const HEIGHT = 150;
const KINDS = {
  celsius: { unit: '°C', name: 'temperature', stroke: '#a3401c', limits: 'celsius_limits' },
  humidity: { unit: '%', name: 'humidity', stroke: '#1a5f9e', limits: 'humidity_limits' },
};

/** station → { at, failed, loading, data } */
const histories = new Map();
/** host element → { plot, drawn, lang } */
const charts = new Map();

/** Splits a line where readings are missing without a null having been sent. */
export function withGaps(t, values) {
  const steps = t.slice(1).map((x, i) => x - t[i]).sort((a, b) => a - b);
  const longest = Math.max(3 * (steps[Math.floor(steps.length / 2)] ?? 0), 120);
  const xs = [];
  const ys = [];
  t.forEach((x, i) => {
    if (i > 0 && x - t[i - 1] > longest) {
      xs.push(t[i - 1] + 1);
      ys.push(null);
    }
    xs.push(x);
    ys.push(values[i] ?? null);
  });
  return [xs, ys];
}

/** Draws all charts on the page and drops those that left it; called after every render. */
export function drawCharts(ctx, onLoaded) {
  for (const [host, chart] of charts) {
    if (host.isConnected) continue;
    chart.plot?.destroy();
    charts.delete(host);
  }
  for (const host of document.querySelectorAll('[data-chart]')) {
    const room = ctx.snapshot.rooms.find((r) => r.station === host.dataset.station);
    if (!room) continue;
    refresh(host.dataset.station, onLoaded);
    draw(ctx, host, room);
  }
}

async function refresh(station, onLoaded) {
  const known = histories.get(station) ?? { at: -Infinity, failed: false, loading: false, data: null };
  if (known.loading || performance.now() - known.at < REFRESH_MS) return;
  histories.set(station, { ...known, loading: true });
  const next = { ...known, at: performance.now(), loading: false };
  try {
    const answer = await fetch(`/api/rooms/${encodeURIComponent(station)}/history?hours=${HOURS}`, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const data = await answer.json();
    if (!Array.isArray(data.t)) throw new Error('no times in it');
    Object.assign(next, { data, failed: false });
  } catch (error) {
    console.error(`history of ${station}`, error);
    next.failed = true;
  }
  histories.set(station, next);
  onLoaded();
}

function draw(ctx, host, room) {
  const kind = KINDS[host.dataset.chart];
  const history = histories.get(room.station);
  const chart = charts.get(host) ?? make(host);
  const series = history?.data?.[host.dataset.chart];
  const values = (series ?? []).filter((v) => v !== null);
  const range = values.length > 0
    ? t('range', { lo: fixed(Math.min(...values)), hi: fixed(Math.max(...values)), unit: kind.unit }) : NOTHING;
  chart.idle = !history?.data ? (history?.failed ? t('historyFailed') : t('historyLoading'))
    : values.length === 0 ? t('noHistory')
      : `${t('lastDay')} · ${range}${history.failed ? ` · ${t('historyFailed')}` : ''}`;
  setText(chart.caption, chart.hover ?? chart.idle);
  host.classList.toggle('failed', history?.failed === true);
  chart.box.setAttribute('aria-label', t('chartLabel', { what: t(kind.name), range }));
  chart.limits = room[kind.limits];
  // The last minute of the axis moves on even if no new history comes, so that a dead curve falls behind visibly.
  const minute = Math.floor(ctx.now / 60_000);
  const width = Math.floor(chart.box.clientWidth);
  if (!history?.data || width === 0) return;
  const drawn = `${history.at} ${minute} ${chart.limits}`;
  if (!chart.plot) chart.plot = plot(chart, kind, width);
  if (chart.plot.width !== width) chart.plot.setSize({ width, height: HEIGHT });
  if (chart.drawn === drawn) return;
  chart.drawn = drawn;
  chart.end = minute * 60 + 60;
  chart.plot.setData(withGaps(history.data.t, series ?? []));
}

function make(host) {
  const caption = document.createElement('p');
  caption.className = 'chart-caption';
  const box = document.createElement('div');
  box.className = 'chart-box';
  box.setAttribute('role', 'img');
  host.replaceChildren(caption, box);
  const chart = { plot: null, caption, box, drawn: '', limits: [0, 1], end: 0, hover: null, idle: '' };
  charts.set(host, chart);
  return chart;
}

function plot(chart, kind, width) {
  const text = { font: '14px system-ui, "Noto Sans CJK SC", sans-serif', stroke: '#4b5865' };
  const grid = { stroke: '#e3e8ec', width: 1 };
  return new uPlot({
    width, height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
    scales: {
      x: { range: () => [chart.end - HOURS * 3600, chart.end] },
      y: { range: (u, lo, hi) => around(chart.limits, lo, hi) },
    },
    axes: [
      { ...text, grid: { show: false }, ticks: grid, size: 28, space: 80, values: (u, splits) => splits.map((s) => clock(s * 1000)) },
      { ...text, grid, ticks: { show: false }, size: 40, space: 32 },
    ],
    series: [{}, { stroke: kind.stroke, width: 2, spanGaps: false, points: { show: false } }],
    hooks: {
      drawClear: [(u) => band(u, chart.limits)],
      setCursor: [(u) => {
        const i = u.cursor.idx;
        const value = i === null || i === undefined || u.cursor.left < 0 ? null : u.data[1][i];
        chart.hover = value === null ? null : `${clock(u.data[0][i] * 1000)} · ${fixed(value)} ${kind.unit}`;
        setText(chart.caption, chart.hover ?? chart.idle);
      }],
    },
  }, [[], []], chart.box);
}

/** The limits are always in sight, and so is every value. */
function around([lo, hi], min, max) {
  const pad = (hi - lo) * 0.15;
  return [Math.min(lo, min ?? lo) - pad, Math.max(hi, max ?? hi) + pad];
}

function band(u, [lo, hi]) {
  const top = u.valToPos(hi, 'y', true);
  const bottom = u.valToPos(lo, 'y', true);
  u.ctx.save();
  u.ctx.fillStyle = '#e6f2ea';
  u.ctx.fillRect(u.bbox.left, top, u.bbox.width, bottom - top);
  u.ctx.restore();
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
