/** The merged model as files: the slot's weights back in the shape of its source, a folder a head and one graph for all. */
import { goesAlong, modelFiles, type HeadModel } from "../export/modelFiles.ts";
import { LabError } from "../lib/error.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { ExportedFile } from "../threads/merge.ts";
import type { Hub, Loaded } from "./loading.ts";
import type { Subject } from "./scoring.ts";
import type { Workbench } from "./workbench.ts";

interface ExportSetting {
  subject: Subject;
  bench: Workbench;
  recipe: Recipe;
  loaded: Loaded;
  hub: Hub;
  /** `model.safetensors` too. */
  safetensors: boolean;
}

export async function exportModel({ subject, bench, recipe, loaded, hub, safetensors }: ExportSetting): Promise<ExportedFile[]> {
  const { alignment, models, tasks } = loaded;
  const weights = await bench.persist(async () => {
    await ("weights" in subject ? bench.placeWeights(subject.weights) : bench.place(subject.candidate, subject.residence));
    return bench.readWeights();
  });
  const wanted = [...new Set(tasks.map(({ head }) => head))];
  const heads: HeadModel[] = [];
  for (const id of wanted) {
    const model = models.find((entry) => entry.id === id)?.model;
    if (!model) throw new LabError("internal", `The head ${id} is not among the models.`);
    const tensors: Float32Array[] = [];
    for (const head of alignment.heads) {
      const own = head.of[id];
      if (own) tensors.push(await hub.tensor(model.handle, own.weight));
    }
    const files: { path: string; bytes: Uint8Array }[] = [];
    for (const { path } of model.files) if (goesAlong(path)) files.push({ path, bytes: await hub.file(model.handle, path) });
    // An expert that is only weights has the base's tokenizer and preprocessor.
    const [base] = models;
    for (const { path } of base.model.files) {
      if (goesAlong(path) && !files.some((file) => file.path === path)) files.push({ path, bytes: await hub.file(base.model.handle, path) });
    }
    heads.push({ model: id, tasks: tasks.filter(({ head }) => head === id).map((task) => task.id), tensors, files });
  }
  const { handle } = models[0].model;
  const checkpoint = safetensors ? { base: models[0].id, of: { ...(await hub.checkpoint(handle)), stored: (name: string) => hub.stored(handle, name) } } : null;
  return (await modelFiles({ alignment, weights, heads, checkpoint, dtype: recipe.out_dtype === "auto" ? "float32" : recipe.out_dtype })).map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }));
}
