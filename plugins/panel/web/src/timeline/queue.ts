// Painting is spread over frames: a frame paints for at most some milliseconds, so that scrolling never waits for it.
const BUDGET_MS = 5;
/** Without a GPU the browser copies each canvas that was painted once more, some milliseconds each, after the script has ended. */
const MOST_PAINTS = 3;
const waiting = new Set<() => void>();
let asked = false;

function work(): void {
  asked = false;
  const until = performance.now() + BUDGET_MS;
  let paints = 0;
  for (const paint of waiting) {
    waiting.delete(paint);
    paint();
    if (++paints >= MOST_PAINTS || performance.now() > until) break;
  }
  if (waiting.size > 0) ask();
}

function ask(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(work);
}

export function enqueuePaint(paint: () => void): () => void {
  waiting.add(paint);
  ask();
  return () => waiting.delete(paint);
}
