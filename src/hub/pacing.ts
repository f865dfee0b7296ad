/** Progress across threads: a message a part of 64 kB would cost more than the part. */
import type { HubProgress } from "../threads/hub.ts";

type Told = Parameters<HubProgress>[0];

const EVERY_MS = 80;

/** Of each file the newest, at most so often; a change of state at once. */
export function paced(tell: HubProgress | undefined): HubProgress | undefined {
  if (!tell) return undefined;
  const files = new Map<string, { state: string; waiting: Told | null; timer: ReturnType<typeof setTimeout> | null }>();
  return (event) => {
    const known = files.get(event.file);
    if (known?.state === event.state && known.timer !== null) {
      known.waiting = event;
      return;
    }
    if (known?.timer) clearTimeout(known.timer);
    const file = { state: event.state, waiting: null as Told | null, timer: null as ReturnType<typeof setTimeout> | null };
    files.set(event.file, file);
    tell(event);
    const rest = () => {
      file.timer = file.waiting ? setTimeout(rest, EVERY_MS) : null;
      if (file.waiting) tell(file.waiting);
      file.waiting = null;
    };
    file.timer = setTimeout(rest, EVERY_MS);
  };
}
