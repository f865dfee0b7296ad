/**
 * bfloat16 ↔ f32 inside an executor's memory, eight elements an instruction: where most of a merge's elements pass through.
 * The definition is src/lib/bf16.ts; other types, and other memories, go that way.
 */
import { bf16FromF32, f32FromBf16 } from "../lib/bf16.ts";
import { Body, I32, moduleOf, op, simd, V128 } from "../methods/wasm/assemble.ts";

/** Elements a turn. */
const LANES = 8;
type Run = (from: number, to: number, turns: number) => void;

export class Bf16Kernels {
  readonly #memory: WebAssembly.Memory;
  readonly #widen: Run;
  readonly #narrow: Run;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
    const load = (bytes: Uint8Array<ArrayBuffer>) => new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { memory } }).exports["run"] as Run;
    [this.#widen, this.#narrow] = [load(widening()), load(narrowing())];
  }

  has(values: Float32Array): boolean {
    return values.buffer === this.#memory.buffer;
  }

  /** `into` ← stored bfloat16 numbers; `into` lies in the memory and is as long. */
  widen(stored: Uint8Array, into: Float32Array): void {
    const { byteOffset, length } = into;
    // Into the upper half of the place, from which it spreads over all of it: what is written never passes what is still to be read.
    new Uint8Array(this.#memory.buffer, byteOffset + 2 * length, 2 * length).set(stored);
    const turns = Math.floor(length / LANES);
    this.#widen(byteOffset + 2 * length, byteOffset, turns);
    for (let i = LANES * turns; i < length; i++) into[i] = f32FromBf16((stored[2 * i] as number) | ((stored[2 * i + 1] as number) << 8));
  }

  /** Rounds in place: the bytes as they are stored, over the lower half of `values`, which lie in the memory. */
  narrow(values: Float32Array): Uint8Array {
    const { byteOffset, length } = values;
    const turns = Math.floor(length / LANES);
    const rest = values.slice(LANES * turns);
    this.#narrow(byteOffset, byteOffset, turns);
    const bytes = new Uint8Array(this.#memory.buffer, byteOffset, 2 * length);
    rest.forEach((value, i) => bytes.set([bf16FromF32(value) & 0xff, bf16FromF32(value) >>> 8], 2 * (LANES * turns + i)));
    return bytes;
  }
}

/** Parameters: from, to, turns. `turn` writes one turn's code; `read` and `written` bytes go by in it. */
function loop(read: number, written: number, turn: (body: Body, from: number, to: number) => void): Uint8Array<ArrayBuffer> {
  const body = new Body(3);
  const [from, to, turns] = [0, 1, 2] as const;
  const done = body.local(I32);
  body.raw(op.block, 0x40, op.loop, 0x40).get(done).get(turns).raw(op.i32.geU, op.brIf, 1);
  turn(body, from, to);
  body.get(from).int(read).raw(op.i32.add).set(from).get(to).int(written).raw(op.i32.add).set(to);
  body.get(done).int(1).raw(op.i32.add).set(done).raw(op.br, 0, op.end, op.end);
  return moduleOf(body);
}

function widening(): Uint8Array<ArrayBuffer> {
  return loop(2 * LANES, 4 * LANES, (body, from, to) => {
    const [halves, low] = [body.local(V128), body.local(V128)];
    // Two zero bytes (16, of the second vector), then the two of the half: bits shifted up by 16.
    const spread = (first: number) => body.get(halves).splat(0).simd(simd.shuffle).raw(...[0, 1, 2, 3].flatMap((i) => [16, 16, 2 * (first + i), 2 * (first + i) + 1]));
    body.get(from).load().set(halves);
    spread(0).set(low);
    body.get(to);
    spread(4).store(16);
    body.get(to).get(low).store();
  });
}

function narrowing(): Uint8Array<ArrayBuffer> {
  return loop(4 * LANES, 2 * LANES, (body, from, to) => {
    const [bits, low] = [body.local(V128), body.local(V128)];
    /** Of four floats: rounded to nearest even in the upper half of each; NaN stays one. */
    const round = (offset: number) => {
      body.get(from).load(offset).set(bits);
      body.get(bits).splat(0x400000).simd(simd.or);
      body.get(bits).splat(0x7fff).simd(simd.i32Add).get(bits).int(16).simd(simd.i32ShrU).splat(1).simd(simd.and).simd(simd.i32Add);
      body.get(bits).splat(0x7fffffff).simd(simd.and).splat(0x7f800000).simd(simd.i32GtS);
      return body.simd(simd.bitselect);
    };
    round(0).set(low);
    body.get(to).get(low);
    round(16).simd(simd.shuffle).raw(...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [4 * i + 2, 4 * i + 3]));
    body.store();
  });
}
