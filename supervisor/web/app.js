// Puts the page together: which view, in which language, from which snapshot, and how old that is.

import { drawCharts } from './chart.js';
import { h, render } from './dom.js';
import { Feed } from './feed.js';
import { clock, day, duration } from './format.js';
import { lang, t, toggleLang } from './i18n.js';
import { Proof } from './proof.js';
import { alarmKey, alarmWords } from './views/alarms.js';
import { audit } from './views/audit.js';
import { live } from './views/live.js';
import { empty } from './views/parts.js';
import { rooms } from './views/rooms.js';

const VIEWS = { '#/': ['live', live], '#/rooms': ['rooms', rooms], '#/audit': ['audit', audit] };
const TICK_MS = 1000;
/** Before this, a page that has just been opened is only waiting, not cut off. */
const FIRST_WAIT_MS = 6000;

const byId = (id) => document.getElementById(id);
let version = null;
let announced = null;
let route = null;
let wasLost = false;

const feed = new Feed(() => show());
const proof = new Proof(() => show());

function currentView() {
  return VIEWS[location.hash] ?? VIEWS['#/'];
}

function context() {
  const snapshot = feed.snapshot;
  const elapsed = feed.elapsed();
  // The server's clock, carried on: the clock of a wall screen may be wrong.
  return { snapshot, elapsed, proof, lost: feed.lost(), now: snapshot ? Date.parse(snapshot.now) + elapsed : Date.now() };
}

function show() {
  const ctx = context();
  try {
    frame(ctx);
    draw(ctx);
  } catch (error) {
    // A page that stands still must not look alive.
    console.error(error);
    document.body.classList.add('lost');
    render(byId('banners'), banner('bad', t('broken'), t('brokenHelp')));
  }
}

function draw(ctx) {
  document.body.classList.toggle('lost', ctx.lost && ctx.snapshot !== null);
  render(byId('banners'), banners(ctx));
  const [name, view] = currentView();
  const main = byId('main');
  proof.tick(name === 'audit');
  if (ctx.snapshot) {
    render(main, view(ctx));
    if (name === 'rooms') drawCharts(ctx, show);
    announce(ctx);
  } else {
    render(main, empty('waiting', t('waitingData'), t('waitingHelp')));
  }
}

function frame(ctx) {
  const [name] = currentView();
  document.documentElement.lang = lang();
  for (const node of document.querySelectorAll('[data-i18n]')) setText(node, t(node.dataset.i18n));
  for (const node of document.querySelectorAll('[data-i18n-label]')) node.setAttribute('aria-label', t(node.dataset.i18nLabel));
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  setText(byId('lang'), t('otherLang'));
  byId('lang').setAttribute('aria-label', t('otherLangLabel'));
  byId('lang').lang = lang() === 'en' ? 'zh-CN' : 'en';
  const snapshot = ctx.snapshot;
  const alarms = snapshot?.alarms.length ?? 0;
  document.title = `${ctx.lost && snapshot ? `(${t('old')}) ` : alarms > 0 ? `(${alarms}) ` : ''}${t('title')}`;
  if (!snapshot) return;
  setText(byId('site'), t('site', { name: snapshot.site }));
  render(byId('clock'), h('span', { class: 'day' }, day(ctx.now)), h('strong', null, clock(ctx.now)));
  setText(byId('foot'), `${t('footer', { version: snapshot.software, url: snapshot.broker.url })} (${snapshot.broker.connected ? t('connected') : t('disconnected')})`);
  // A wall screen is never reloaded by hand: after an update of the server it takes the new page by itself.
  version ??= snapshot.software;
  if (version !== snapshot.software) location.reload();
}

function banners(ctx) {
  if (!ctx.snapshot) return ctx.elapsed > FIRST_WAIT_MS ? [banner('bad', t('never'), t('neverHelp'))] : [];
  if (ctx.lost) return [banner('bad', t('lost', { d: duration(ctx.elapsed) }), t('lostHelp'))];
  const { connected, trouble, url } = ctx.snapshot.broker;
  if (!connected) return [banner('warn', t('broker'), t('brokerHelp', { url }) + (trouble ? ` ${t('brokerSays', { why: trouble })}` : ''), 'broker-banner')];
  return [];
}

function banner(kind, title, help, testid = 'stale-banner') {
  return h('div', { class: `banner ${kind}`, key: testid, 'data-testid': testid }, h('strong', null, title), h('span', null, help));
}

/** Tells screen readers what is new, once; the ticking ages on the page would be read out each second. */
function announce(ctx) {
  if (ctx.lost !== wasLost) {
    wasLost = ctx.lost;
    if (ctx.lost) setText(byId('announcer'), `${t('lost', { d: duration(ctx.elapsed) })} ${t('lostHelp')}`);
  }
  const keys = new Set(ctx.snapshot.alarms.map(alarmKey));
  const fresh = announced === null ? [] : ctx.snapshot.alarms.filter((a) => !announced.has(alarmKey(a)));
  announced = keys;
  if (fresh.length > 0) {
    setText(byId('announcer'), fresh.map((a) => t('alarmNew', { station: a.station, text: alarmWords(ctx, a).text })).join('. '));
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function switchLang() {
  toggleLang();
  show();
}

byId('lang').addEventListener('click', switchLang);
byId('skip').addEventListener('click', (event) => {
  // The hash belongs to the router.
  event.preventDefault();
  byId('main').focus();
});
byId('main').addEventListener('click', (event) => {
  const button = event.target.closest('[data-ask]');
  if (button) proof.ask(button.dataset);
});
document.addEventListener('keydown', (event) => {
  const typing = event.target instanceof Element && event.target.closest('input, textarea, select, [contenteditable]');
  if (event.key.toLowerCase() === 'l' && !event.ctrlKey && !event.altKey && !event.metaKey && !typing) switchLang();
});
addEventListener('hashchange', () => {
  const [name] = currentView();
  if (route !== null && route !== name) scrollTo(0, 0);
  route = name;
  show();
});
addEventListener('resize', show);
document.addEventListener('visibilitychange', show);
setInterval(() => {
  feed.tick();
  show();
}, TICK_MS);
route = currentView()[0];
show();
