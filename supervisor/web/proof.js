// The proof that no event is missing: loaded while somebody looks at it; and what is asked of a station again.

import { Elapsed } from './feed.js';

const REFRESH_MS = 10_000;
/** A station that can answer an ask has done so by then. */
const AFTER_ASK_MS = 2_000;
/** Every event is counted anew, which takes long in a large database. */
const PATIENCE_MS = 30_000;

export class Proof {
  #onChange;
  #due = 0;
  #loading = false;
  #heard = new Elapsed();
  #asks = new Map();
  data = null;
  failed = false;

  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** Milliseconds since what is held was asked for. */
  age() {
    return this.#heard.ms();
  }

  /** How the ask for a range went: `state` is asking, asked or failed; null if nobody asked. */
  asked(range) {
    return this.#asks.get(name(range)) ?? null;
  }

  /** Called at each render: loads when the view is opened, and again and again while it is. */
  tick(open) {
    if (!open) this.#due = 0;
    else if (!this.#loading && performance.now() >= this.#due) this.#load();
  }

  async ask({ station, epoch, from, to }) {
    const range = { station, epoch, from: Number(from), to: Number(to) };
    if (this.asked(range)?.state === 'asking') return;
    this.#note(range, { state: 'asking' });
    try {
      const answer = await fetch('/api/audit/ask', {
        method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Platen': '1' },
        body: JSON.stringify(range), signal: AbortSignal.timeout(PATIENCE_MS),
      });
      this.#note(range, answer.ok ? { state: 'asked', since: new Elapsed() } : { state: 'failed', error: await errorOf(answer) });
    } catch (error) {
      console.error('an ask', error);
      this.#note(range, { state: 'failed', error: null });
    }
    setTimeout(() => {
      this.#due = 0;
      this.#onChange();
    }, AFTER_ASK_MS);
  }

  #note(range, ask) {
    this.#asks.set(name(range), ask);
    this.#onChange();
  }

  async #load() {
    const begun = new Elapsed();
    this.#loading = true;
    this.#due = performance.now() + REFRESH_MS;
    try {
      // Otherwise a browser lets this wait for the same request of another tab, to share its answer.
      const answer = await fetch('/api/audit', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const data = await answer.json();
      if (!Array.isArray(data.streams) || !Array.isArray(data.refused)) throw new Error('no streams in it');
      this.data = data;
      this.#heard = begun;
      this.failed = false;
    } catch (error) {
      console.error('the audit', error);
      this.failed = true;
    }
    this.#loading = false;
    this.#onChange();
  }
}

function name({ station, epoch, from, to }) {
  return [station, epoch, from, to].join('\n');
}

/** What the supervisor says of an ask that it refused; null if it says nothing that can be read. */
async function errorOf(answer) {
  try {
    return (await answer.json()).error ?? null;
  } catch {
    return null;
  }
}
