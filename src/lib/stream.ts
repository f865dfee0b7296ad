/**
 * A named stream of seeded numbers for sampling and bootstraps: Philox with key = seed and
 * counter = (block low, block high, FNV-1a of the name), words in order.
 */
import { fnv1a64 } from "./hash.ts";
import { type Key, philoxInto, seedKey, uniform } from "./philox.ts";

export class SeededStream {
  readonly #key: Key;
  readonly #name: readonly [number, number];
  readonly #words = new Uint32Array(4);
  #block = 0;
  #word = 4;

  constructor(seed: number, name: string) {
    this.#key = seedKey(seed);
    this.#name = fnv1a64(name);
  }

  /** The next 32 bits. */
  word(): number {
    if (this.#word === 4) {
      const [low, high] = seedKey(this.#block++);
      philoxInto(this.#words, low, high, ...this.#name, ...this.#key);
      this.#word = 0;
    }
    return this.#words[this.#word++] ?? 0; // always inside: #word < 4
  }

  /** In [0, 1). */
  next(): number {
    return uniform(this.word());
  }

  /** In 0..n−1, without bias: words past the last whole multiple of n are passed over. n ≤ 2³². */
  int(n: number): number {
    const limit = Math.floor(2 ** 32 / n) * n;
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % n;
  }

  /** 0..n−1 shuffled (Fisher–Yates, from the end). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const held = order[i] as number;
      order[i] = order[j] as number;
      order[j] = held;
    }
    return order;
  }

  /** Mean 0, variance 1 (Box–Muller, one of the pair; 1 − u keeps the logarithm off 0). */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }
}
