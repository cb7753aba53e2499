// What may be shown as live. A number on a screen that is too old says so.

/** A value older than this is old, even if the server has not said so yet. */
export const OLD_MS = 30_000;

/** Age of something now, in ms, from its age when the snapshot was made; null if it was never heard. */
export function ageOf(ctx, ageMs) {
  return ageMs === null || ageMs === undefined ? null : ageMs + ctx.elapsed;
}

/** Whether a station, a room or a power supply must be marked old. */
export function isOld(ctx, item) {
  const age = ageOf(ctx, item.age_ms);
  return ctx.lost || item.stale === true || (age !== null && age > OLD_MS);
}

/** A station that is offline cannot be live, however young its last word is. */
export function stationOld(ctx, station) {
  return isOld(ctx, station) || !station.online;
}

/** Whether events of a station still wait there: what it told last is not its present. */
export function isLate(ctx, station) {
  return ageOf(ctx, station.late_ms) !== null;
}

/** State of one room value: `ok`, `high`, `low`, `old` or `none`. */
export function valueState(ctx, room, value, state) {
  if (value === null || value === undefined) return state === 'old' ? 'old' : 'none';
  return isOld(ctx, room) ? 'old' : state;
}

/** State of a power supply, `none` without one. */
export function powerOld(ctx, power) {
  return power !== null && (isOld(ctx, power) || power.state === 'stale' || power.state === 'unreachable');
}

/** Whether an empty list of alarms may be read as "all is well". */
export function allHeard(ctx) {
  const { broker, stations } = ctx.snapshot;
  return !ctx.lost && broker.connected && stations.length > 0 && stations.every((s) => !isOld(ctx, s) && !isLate(ctx, s));
}
