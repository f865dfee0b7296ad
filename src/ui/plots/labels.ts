/**
 * Puts labels beside their points so that none covers another label or a mark.
 * Greedy by priority over eight sides and growing distances; what finds no room is left out (hover still tells it).
 */
export interface LabelRequest {
  readonly key: string;
  readonly text: string;
  /** Centre and radius of the mark it names, px. */
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** Higher is placed first. */
  readonly priority: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedLabel {
  readonly key: string;
  readonly text: string;
  /** Left edge and baseline box top, px. */
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly priority: number;
}

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Right first: that is how one reads. */
const SIDES: readonly (readonly [number, number])[] = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [1, 1], [-1, -1], [-1, 1]];
const GAPS = [4, 11, 20];

export function overlap(a: Box, b: Box): number {
  const x = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const y = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  return x > 0 && y > 0 ? x * y : 0;
}

export function placeLabels(requests: readonly LabelRequest[], marks: readonly Box[], bounds: Box): PlacedLabel[] {
  const placed: PlacedLabel[] = [];
  for (const request of [...requests].sort((a, b) => b.priority - a.priority)) {
    let best: { box: Box; cost: number } | null = null;
    for (const [distance, gap] of GAPS.entries()) {
      for (const [side, [sx, sy]] of SIDES.entries()) {
        const box = beside(request, sx, sy, gap);
        if (!inside(box, bounds) || placed.some((other) => overlap(box, other) > 0)) continue;
        const covered = marks.reduce((sum, mark) => sum + overlap(box, mark), 0);
        const cost = covered * 4 + distance * 30 + side;
        if (best === null || cost < best.cost) best = { box, cost };
      }
    }
    if (best) placed.push({ key: request.key, text: request.text, priority: request.priority, ...best.box });
  }
  return placed;
}

function beside({ x, y, radius, width, height }: LabelRequest, sx: number, sy: number, gap: number): Box {
  const reach = radius + gap;
  const slant = sx !== 0 && sy !== 0 ? 0.7 : 1;
  const left = sx === 0 ? x - width / 2 : sx > 0 ? x + reach * slant : x - reach * slant - width;
  const top = sy === 0 ? y - height / 2 : sy > 0 ? y + reach * slant : y - reach * slant - height;
  return { left, top, width, height };
}

function inside(box: Box, bounds: Box): boolean {
  return box.left >= bounds.left && box.top >= bounds.top && box.left + box.width <= bounds.left + bounds.width && box.top + box.height <= bounds.top + bounds.height;
}

/** Heights for labels in one column: as near to what they want as `gap` apart allows, inside [low, high]. Order is kept. */
export function spread(wanted: readonly number[], gap: number, low: number, high: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  // Groups that would touch are merged and centred on the mean of what their members want.
  const groups: { members: number[]; centre: number }[] = [];
  const half = (count: number) => ((count - 1) * gap) / 2;
  for (const i of order) {
    groups.push({ members: [i], centre: clamp(wanted[i] ?? 0, low, high) });
    for (let last = groups.at(-1), before = groups.at(-2); last && before; last = groups.at(-1), before = groups.at(-2)) {
      if (last.centre - half(last.members.length) - (before.centre + half(before.members.length)) >= gap - 1e-9) break;
      const members = [...before.members, ...last.members];
      const mean = members.reduce((sum, m) => sum + (wanted[m] ?? 0), 0) / members.length;
      const reach = half(members.length);
      groups.splice(-2, 2, { members, centre: clamp(mean, low + reach, Math.max(low + reach, high - reach)) });
    }
  }
  const out = wanted.map(() => 0);
  for (const { members, centre } of groups) members.forEach((m, k) => (out[m] = centre - half(members.length) + k * gap));
  return out;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

let ruler: CanvasRenderingContext2D | null | undefined;

/** Width of a text in the page's sans, px; a fair guess where there is no canvas. */
export function textWidth(text: string, sizePx = 12.5, weight = 400): number {
  if (ruler === undefined) ruler = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
  if (!ruler) return text.length * sizePx * 0.56;
  ruler.font = `${weight} ${sizePx}px Inter, system-ui, sans-serif`;
  return ruler.measureText(text).width;
}
