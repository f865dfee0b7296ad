/** The text of the kernel for a number of terms: written out term by term and vec4 by vec4, no loop and no branch inside. */
import lowRank from "../lowrank/lowrank.wgsl?raw";
import code from "./materialise.wgsl?raw";

export interface Variant {
  readonly terms: number;
  /** Low-rank directions: written out too, each with a loop over its rank inside. */
  readonly lows: number;
  readonly lowMasked: boolean;
  readonly masked: boolean;
  readonly half: boolean;
  /** Something stored is not finite: coefficients of 0 must leave it out, and halves keep their NaN. */
  readonly careful: boolean;
  /** Whether `weights` may be written in whole vec4. */
  readonly wide: boolean;
  /** vec4 a thread: 1, 2, 4 or 8. */
  readonly grain: number;
}

const narrowStore = ["x", "y", "z", "w"].map((c, j) => `if (left > ${j}u) { weights[4u * i + ${j}u] = w.${c}; }`).join("\n  ");

export function materialiseCode(variant: Variant): string {
  const lanes = Array.from({ length: variant.grain }, (_, lane) => lane);
  const times = (c: string, d: string) => (variant.careful ? `careful(${c}, ${d})` : `${c} * ${d}`);
  const load = (at: string) => (!variant.half ? `deltas[${at}]` : variant.careful ? `unpack(deltas[${at}])` : `shifted(deltas[${at}])`);
  const bits = (lane: number) => {
    const four = [1, 2, 4, 8].map((bit) => `${(bit << (4 * lane)) >>> 0}u`).join(", ");
    return `vec4<u32>(bits) & vec4<u32>(${four})`;
  };
  const term = (k: number) => `{
    let term = part.terms[${k}];
    ${variant.masked ? "let bits = masks[term.plane + (i >> 3u)] >> ((i & 7u) << 2u);" : ""}
    ${lanes.map((l) => {
      const c = variant.masked ? `pick(vec2<f32>(term.whole, term.kept), ${bits(l)})` : "vec4<f32>(term.whole)";
      return `w${l} += ${times(c, load(`term.delta + i + ${l}u`))};`;
    }).join("\n    ")}
  }`;
  const low = (k: number) => `{
    let low = part.low[${k}];
    if (low.groups > 0u) {
      let place = vec4<u32>(low.left, low.right, low.groups, part.columns);
      ${variant.lowMasked ? "let bits = masks[low.plane + (i >> 3u)] >> ((i & 7u) << 2u);" : ""}
      ${lanes.map((l) => {
        const c = variant.lowMasked ? `pick(vec2<f32>(low.whole, low.kept), ${bits(l)})` : "vec4<f32>(low.whole)";
        return `w${l} += ${times(c, `lowRank(place, part.offset + 4u * (first + ${l}u))`)};`;
      }).join("\n      ")}
    }
  }`;
  const sum = [
    ...lanes.map((l) => `var w${l} = ${times("vec4<f32>(part.base)", `base[i + ${l}u]`)};`),
    ...Array.from({ length: variant.terms }, (_, k) => term(k)),
    ...Array.from({ length: variant.lows }, (_, k) => low(k)),
  ];
  const whole = [
    ...lanes.map((l) => `store(at + ${l}u, 4u, w${l});`),
    `if (${lanes.map((l) => `unfinite(w${l})`).join(" || ")}) { atomicOr(&spoilt, 1u); }`,
  ];
  const rest = lanes.map((l) => `if (left > ${4 * l}u) { put(at + ${l}u, left - ${4 * l}u, w${l}); }`);
  return code
    .replace("array<DELTA>", variant.half ? "array<vec2<u32>>" : "array<vec4<f32>>")
    .replace("array<OUT>", variant.wide ? "array<vec4<f32>>" : "array<f32>")
    .replace("array<Term, TERMS>", `array<Term, ${Math.max(1, variant.terms)}>`)
    .replace("  LOWS\n", variant.lows === 0 ? "" : `  columns: u32, // of the tensor as a matrix\n  offset: u32, // first element of the part in its tensor\n  unused: vec2<u32>, // an array begins at a multiple of 16 bytes\n  low: array<Low, ${variant.lows}>,\n`)
    .replace("// LOWRANK\n", variant.lows === 0 ? "" : lowRank)
    .replaceAll("GRAINu", `${variant.grain}u`)
    .replace("  STORE\n", `  ${variant.wide ? "weights[i] = w;" : narrowStore}\n`)
    .replace("  SUM\n", `  ${sum.join("\n  ")}\n`)
    .replace("  WHOLE\n", `  ${whole.join("\n    ")}\n`)
    .replace("  REST\n", `  ${rest.join("\n  ")}\n`);
}
