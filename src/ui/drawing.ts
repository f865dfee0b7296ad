/**
 * From a drawing to what the models were taught: 28 × 28 grey, bright on dark, the ink's box scaled to 20 px
 * and its centre of mass put in the middle (as MNIST was made).
 */
export const SIDE = 28;
const INNER = 20;

/** `ink`: `size × size`, 0..255. Null when nothing is drawn. */
export function centred(ink: Uint8Array | Uint8ClampedArray, size: number): Uint8Array | null {
  let [left, top, right, bottom] = [size, size, -1, -1];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if ((ink[y * size + x] ?? 0) < 24) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  if (right < 0) return null;
  // Pixels of the drawing to one pixel of the result; a dot is not blown up beyond what a pen makes.
  const scale = Math.max(right - left + 1, bottom - top + 1, size / 6) / INNER;
  const centre = massCentre(ink, size);
  const out = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const x0 = centre.x + (x - SIDE / 2) * scale;
      const y0 = centre.y + (y - SIDE / 2) * scale;
      out[y * SIDE + x] = areaMean(ink, size, x0, y0, scale);
    }
  }
  return out;
}

function massCentre(ink: ArrayLike<number>, size: number): { x: number; y: number } {
  let [sum, sx, sy] = [0, 0, 0];
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const value = ink[y * size + x] ?? 0;
      sum += value;
      sx += value * (x + 0.5);
      sy += value * (y + 0.5);
    }
  }
  return sum === 0 ? { x: size / 2, y: size / 2 } : { x: sx / sum, y: sy / sum };
}

/** Mean over the square [x, x + side) × [y, y + side); outside is 0. */
function areaMean(ink: ArrayLike<number>, size: number, x: number, y: number, side: number): number {
  let sum = 0;
  for (let py = Math.max(0, Math.floor(y)); py < Math.min(size, y + side); py++) {
    const high = Math.min(py + 1, y + side) - Math.max(py, y);
    for (let px = Math.max(0, Math.floor(x)); px < Math.min(size, x + side); px++) {
      const wide = Math.min(px + 1, x + side) - Math.max(px, x);
      if (wide > 0 && high > 0) sum += (ink[py * size + px] ?? 0) * wide * high;
    }
  }
  return Math.min(255, Math.round(sum / (side * side)));
}
