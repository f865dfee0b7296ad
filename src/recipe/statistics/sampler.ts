/** Random numbers for resampling: many and fast, all from one named seed. */
import { SeededStream } from "../../lib/stream.ts";

/** xoshiro128** (Blackman, Vigna 2018), its state four words of the seeded stream: 60 million draws in a fraction of a second. */
export class Sampler {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number, name: string) {
    const stream = new SeededStream(seed, name);
    [this.#a, this.#b, this.#c, this.#d] = [stream.word() | 0, stream.word() | 0, stream.word() | 0, stream.word() | 1]; // never all 0
  }

  /** 32 bits. */
  word(): number {
    const mixed = Math.imul(this.#b, 5);
    const out = Math.imul((mixed << 7) | (mixed >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return out >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    return this.word() * 2 ** -32;
  }

  /** In 0..n−1; the bias is below n·2⁻³². */
  int(n: number): number {
    return Math.floor(this.word() * 2 ** -32 * n);
  }
}

/** Draws from Binomial(n, p) by walking out from its mode: about √n·p·q steps, whatever n is. Exact but for rounding. */
export class Binomial {
  readonly #logFactorial: Float64Array;
  readonly #sampler: Sampler;

  constructor(most: number, sampler: Sampler) {
    this.#logFactorial = new Float64Array(most + 1);
    for (let k = 2; k <= most; k++) this.#logFactorial[k] = (this.#logFactorial[k - 1] ?? 0) + Math.log(k);
    this.#sampler = sampler;
  }

  draw(n: number, p: number): number {
    if (n === 0 || p <= 0) return 0;
    if (p >= 1) return n;
    const odds = p / (1 - p);
    const mode = Math.min(n, Math.floor((n + 1) * p));
    const atMode = Math.exp(this.#choose(n, mode) + mode * Math.log(p) + (n - mode) * Math.log1p(-p));
    let left = this.#sampler.next() - atMode;
    if (left < 0) return mode;
    let [low, high] = [mode, mode];
    let [below, above] = [atMode, atMode];
    while (low > 0 || high < n) {
      if (low > 0) {
        below *= low / ((n - low + 1) * odds);
        left -= below;
        low--;
        if (left < 0) return low;
      }
      if (high < n) {
        above *= ((n - high) * odds) / (high + 1);
        left -= above;
        high++;
        if (left < 0) return high;
      }
    }
    return mode; // what rounding left over
  }

  #choose(n: number, k: number): number {
    const f = this.#logFactorial;
    return (f[n] ?? 0) - (f[k] ?? 0) - (f[n - k] ?? 0);
  }
}
