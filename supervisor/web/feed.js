// The stream of snapshots, and how old what we have is.

/** The server sends at least every 5 s: silence this long means the stream is dead, whatever the browser believes. */
const SILENCE_MS = 12_000;
const RETRY_MS = 3_000;

/** Milliseconds since something happened. */
export class Elapsed {
  #wall = 0;
  #mono = 0;

  constructor() {
    this.restart();
  }

  restart() {
    this.#wall = Date.now();
    this.#mono = performance.now();
  }

  ms() {
    // The monotonic clock stands still while a computer sleeps and the wall clock can be set back:
    // the larger of both never makes a value look younger than it is.
    return Math.max(performance.now() - this.#mono, Date.now() - this.#wall, 0);
  }
}

export class Feed {
  #onChange;
  #source = null;
  #retry = null;
  #live = false;
  #heard = new Elapsed();
  snapshot = null;

  constructor(onChange) {
    this.#onChange = onChange;
    this.#connect();
  }

  /** Milliseconds since the last snapshot came, or since the page began to wait for the first. */
  elapsed() {
    return this.#heard.ms();
  }

  /** Whether what we hold may be called live. */
  lost() {
    return !this.#live || this.elapsed() > SILENCE_MS;
  }

  /** Called each second: starts again a stream that fell silent. */
  tick() {
    if (this.#live && this.elapsed() > SILENCE_MS) this.#fail();
  }

  #connect() {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource('/events');
    this.#source = source;
    source.addEventListener('snapshot', (event) => this.#take(event.data));
    source.addEventListener('error', () => this.#fail());
  }

  #take(data) {
    let snapshot;
    try {
      snapshot = JSON.parse(data);
      if (!Array.isArray(snapshot.stations) || !Number.isFinite(Date.parse(snapshot.now))) throw new Error('not a snapshot');
    } catch (error) {
      console.error('a snapshot could not be read', error);
      return;
    }
    this.snapshot = snapshot;
    this.#heard.restart();
    this.#live = true;
    this.#onChange();
  }

  #fail() {
    // A browser gives up for ever after some answers (a 502 of a proxy), so we always begin anew ourselves.
    this.#live = false;
    this.#source?.close();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
    this.#onChange();
  }
}
