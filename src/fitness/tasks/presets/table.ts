/** Every preset by the name a recipe gives it: one file a benchmark and one line here. */
import { arc } from "./arc.ts";
import { crosswords } from "./crosswords.ts";
import { glue } from "./glue.ts";
import { gsm8k } from "./gsm8k.ts";
import { hellaswag } from "./hellaswag.ts";
import { mbpp } from "./mbpp.ts";
import { mmlu } from "./mmlu.ts";
import type { Preset } from "./preset.ts";
import { truthfulqa } from "./truthfulqa.ts";

export const PRESETS: Readonly<Record<string, Preset>> = { ...glue, ...mmlu, ...hellaswag, ...truthfulqa, ...gsm8k, ...mbpp, ...crosswords, ...arc };
export const PRESET_NAMES = Object.keys(PRESETS);

export const presetOf = (name: string): Preset | null => (Object.hasOwn(PRESETS, name) ? (PRESETS[name] ?? null) : null);
