/** Writes a WebAssembly module of one function by hand: the few instructions that formulas need. */

export const op = {
  block: 0x02, loop: 0x03, if: 0x04, end: 0x0b, br: 0x0c, brIf: 0x0d,
  get: 0x20, set: 0x21, tee: 0x22,
  i32: { const: 0x41, eqz: 0x45, ltU: 0x49, geU: 0x4f, add: 0x6a, sub: 0x6b, mul: 0x6c, and: 0x71, shl: 0x74, shrU: 0x76 },
} as const;

/** Opcodes after the 0xfd prefix. */
export const simd = {
  load: 0x00, load32Splat: 0x09, store: 0x0b, const: 0x0c, shuffle: 0x0d, i32Splat: 0x11, f32Splat: 0x13,
  i32Eq: 0x37, i32Ne: 0x38, i32LtS: 0x39, i32LtU: 0x3a, i32GtS: 0x3b, i32GtU: 0x3c,
  f32Eq: 0x41, f32Ne: 0x42, f32Gt: 0x44, f32Ge: 0x46,
  not: 0x4d, and: 0x4e, andNot: 0x4f, or: 0x50, xor: 0x51, bitselect: 0x52,
  i32Shl: 0xab, i32ShrS: 0xac, i32ShrU: 0xad, i32Add: 0xae, i32Sub: 0xb1, i32Mul: 0xb5, i64ExtmulLowU: 0xde, i64ExtmulHighU: 0xdf,
  f32Abs: 0xe0, f32Neg: 0xe1, f32Add: 0xe4, f32Sub: 0xe5, f32Mul: 0xe6, f32Div: 0xe7, f32Min: 0xe8, f32Max: 0xe9,
  f64Add: 0xf0, f64Promote: 0x5f,
} as const;

export const V128 = 0x7b;
export const I32 = 0x7f;

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  do {
    const byte = rest & 0x7f;
    rest >>>= 7;
    out.push(rest ? byte | 0x80 : byte);
  } while (rest);
  return out;
}

/** Signed LEB128 of an i32. */
export function sleb(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && !(byte & 0x40)) || (rest === -1 && byte & 0x40)) return [...out, byte];
    out.push(byte | 0x80);
  }
}

/** Instructions of one function, locals counted as they are asked for. */
export class Body {
  /** Code so far; grows by doubling. */
  #bytes = new Uint8Array(1024);
  #length = 0;
  readonly #parameters: number;
  readonly #locals: number[] = [];
  readonly #constants = new Map<number, number>();

  /** All parameters are i32. */
  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  get parameters(): number {
    return this.#parameters;
  }

  local(type: number): number {
    return this.#parameters + this.#locals.push(type) - 1;
  }

  /** Plain instructions and their immediates, already encoded. */
  raw(...bytes: number[]): this {
    if (this.#length + bytes.length > this.#bytes.length) {
      const wider = new Uint8Array(2 * (this.#length + bytes.length));
      wider.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = wider;
    }
    for (const byte of bytes) this.#bytes[this.#length++] = byte;
    return this;
  }

  get(local: number): this {
    return this.raw(op.get, ...leb(local));
  }

  set(local: number): this {
    return this.raw(op.set, ...leb(local));
  }

  tee(local: number): this {
    return this.raw(op.tee, ...leb(local));
  }

  int(value: number): this {
    return this.raw(op.i32.const, ...sleb(value));
  }

  simd(code: number): this {
    return this.raw(0xfd, ...leb(code));
  }

  /** Addresses need no alignment here: rows begin anywhere. */
  load(offset = 0): this {
    return this.simd(simd.load).raw(0, ...leb(offset));
  }

  load32Splat(offset: number): this {
    return this.simd(simd.load32Splat).raw(2, ...leb(offset));
  }

  store(offset = 0): this {
    return this.simd(simd.store).raw(0, ...leb(offset));
  }

  /** The same i32 in four lanes: made once, before the code. */
  splat(value: number): this {
    let local = this.#constants.get(value | 0);
    if (local === undefined) this.#constants.set(value | 0, (local = this.local(V128)));
    return this.get(local);
  }

  lanes(...values: [number, number, number, number]): this {
    this.simd(simd.const);
    return this.raw(...new Uint8Array(Int32Array.from(values).buffer));
  }

  /** Lanes of two vectors: 0–3 of the first, 4–7 of the second. */
  shuffle(...lanes: [number, number, number, number]): this {
    this.simd(simd.shuffle);
    return this.raw(...lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)));
  }

  get locals(): readonly number[] {
    return this.#locals;
  }

  /** The whole function: constants, then the code. */
  finish(): number[] {
    const constants = [...this.#constants].flatMap(([value, local]) => {
      return [op.i32.const, ...sleb(value), 0xfd, ...leb(simd.i32Splat), op.set, ...leb(local)];
    });
    return [...constants, ...this.#bytes.subarray(0, this.#length), op.end];
  }
}

/** A module that imports `m.memory` and exports the function as `run`; it returns nothing. */
export function moduleOf(body: Body): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];
  const name = (text: string) => [text.length, ...new TextEncoder().encode(text)];
  const type = [1, 0x60, ...leb(body.parameters), ...new Array<number>(body.parameters).fill(I32), 0];
  const imports = [1, ...name("m"), ...name("memory"), 2, 0, 1];
  const locals = [...leb(body.locals.length), ...body.locals.flatMap((local) => [1, local])];
  const code = [...locals, ...body.finish()];
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, type), ...section(2, imports), ...section(3, [1, 0]), ...section(7, [1, ...name("run"), 0, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ]);
}
