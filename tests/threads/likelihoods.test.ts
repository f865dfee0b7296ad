/** A prompt is read once for all texts behind it; what is found is what prompts read again and again give. */
import { expect, test } from "vitest";
import { readParts } from "../../src/checkpoint/onnx/read.ts";
import { Sounding } from "../../src/engine/voices.ts";
import { cpuTensor, Runtime, type Feeds } from "../../src/fitness/runtime.ts";
import { Speaker } from "../../src/fitness/texts/language.ts";
import { library } from "../../src/fitness/texts/library.ts";
import { align } from "../../src/space/align/align.ts";

const families = {
  words: { folder: "zoo/words/sounds", graphs: [["encoder", "encoder_model"], ["decoder", "decoder_model_merged"]], prompts: ["sounds: through", "sounds: a"], texts: ["t uw", "d ao g", "th r uw", "ah"] },
  riddles: { folder: "zoo/riddles/odd", graphs: [["model", "model"]], prompts: ["odd: steel, doctor, farmer, nurse?", "odd: bed, nurse, farmer, pilot?", "a"], texts: [" steel", " doctor", " nurse", " bed pilot"] },
} as const;

async function speaking({ folder, graphs }: (typeof families)[keyof typeof families]) {
  const bytes = async (name: string) => new Uint8Array(await (await fetch(`/${folder}/${name}`)).arrayBuffer());
  const json = async (name: string) => JSON.parse(new TextDecoder().decode(await bytes(`${name}.json`)));
  const file = readParts(await Promise.all(graphs.map(async ([role, name]) => ({ role, file: name, bytes: await bytes(`onnx/${name}.onnx`) }))), { name: folder });
  const alignment = align([{ id: "base", skeleton: file.skeleton, config: null }], { baseId: "base" });
  const arrays = alignment.segments.map(({ weight }) => file.tensor(weight["base"] ?? 0));
  const feeds: Feeds = Object.fromEntries(alignment.segments.flatMap(({ inputs }, i) => inputs.map((input) => [input, cpuTensor(arrays[i]!, alignment.space.segments[i]!.shape)])));
  const files = { tokenizer: await json("tokenizer"), tokenizerConfig: await json("tokenizer_config"), config: await json("config"), generationConfig: await json("generation_config") };
  return {
    speaker: new Speaker(await library(), files, folder),
    sounding: new Sounding(alignment, new Runtime({ provider: "wasm", threads: 1 }), false),
    weights: { feeds: () => feeds, arrays: () => arrays },
  };
}

test.each(Object.keys(families) as (keyof typeof families)[])("%s", { timeout: 60_000 }, async (name) => {
  const { prompts, texts } = families[name];
  const { speaker, sounding, weights } = await speaking(families[name]);
  const pairs = prompts.flatMap((prompt) => texts.map((text) => ({ prompt, text })));
  let rows: number[] = [];
  await sounding.with(weights, {}, 1, async (voices) => {
    const { session } = voices.decoder;
    const run = (feeds: Feeds, wanted?: readonly string[]) => (rows.push(feeds["input_ids"]!.dims[0]!), session.run(feeds, wanted));
    const watched = new Proxy(session, { get: (_, key) => (key === "run" ? run : session[key as keyof typeof session]) });
    const counted = { ...voices, decoder: { ...voices.decoder, session: watched } };
    const together = await speaker.likelihoods(counted, pairs, 64);
    // Behind another prompt each time, nothing is shared.
    const order = texts.flatMap((_, t) => prompts.map((_, p) => p * texts.length + t));
    const read = rows;
    rows = [];
    const apart = await speaker.likelihoods(counted, order.map((i) => pairs[i]!), 64);
    expect(new Set(together.sums).size).toBe(pairs.length);
    order.forEach((i, at) => expect(Math.abs(together.sums[i]! - apart.sums[at]!)).toBeLessThan(2e-5));
    expect(order.map((i) => together.tokens[i])).toEqual(apart.tokens);
    // A decoder reads prompts into its cache first; "a" is too short for that, so its texts go as they are.
    expect(read).toEqual(name === "riddles" ? [4, 2, 8] : [8]);
    expect(rows).toEqual([pairs.length]);
  });
  await sounding.close();
});
