/** Every sentence of the page in one place. Plain words; numbers come in already formatted. */
import { list } from "./format.ts";

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
export const inWords = (n: number): string => NUMBERS[n] ?? String(n);
const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

export const s = {
  name: "Murmuration",
  tagline: (experts: number) =>
    experts > 0
      ? `${capital(inWords(experts))} small networks, each good at one thing. A swarm looks for one that does all ${inWords(experts)}.`
      : "A swarm looks for one network that does the jobs of several.",
  skip: "Skip to the swarm",
  recipe: "Recipe",
  share: "Share",
  theme: { label: "Colours", auto: "auto", light: "light", dark: "dark" },

  status: {
    starting: "Starting the merge thread…",
    ready: "Ready. Nothing leaves this browser.",
    recorded: "Recorded run",
    kept: "The last run in this browser",
    loading: (loaded: string, total: string) => `Loading models: ${loaded} of ${total}`,
    fromCache: "Loading models from this browser's cache",
    compile: "Building the space of weights",
    warmUp: "Warming up",
    stepOf: (step: number, steps: number, particle: number, particles: number) => `Step ${step} of ${steps} · particle ${particle} of ${particles}`,
    starts: (particle: number, particles: number) => `Starting points · particle ${particle} of ${particles}`,
    compare: "Scoring the comparisons",
    test: "Testing on samples no search has seen",
    paused: "Paused",
    done: "Done",
    failed: "Stopped by an error",
    best: (score: string) => `best ${score}`,
    left: (time: string) => `${time} left`,
    where: (kernels: string, runtime: string) => `kernels ${kernels} · scoring ${runtime}`,
    software: "software",
    threads: (n: number) => plural(n, "thread"),
    noGpu: "no WebGPU here: kernels on the CPU",
    insecure: "This address is not a secure context, so the browser gives one thread and no WebGPU. Merging works, slowly; over https or on localhost it is faster.",
    notIsolated: "This host does not isolate the page, so scoring has one thread.",
    landscape: (share: string) => `Filling in the landscape, ${share}`,
    diverged: (n: number) => (n === 1 ? "1 candidate diverged: drawn grey, never a best" : `${n} candidates diverged: drawn grey, never a best`),
    spoken: (step: number, steps: number, best: string) => `Step ${step} of ${steps}, best score ${best}.`,
  },

  models: {
    title: "Models",
    sub: (experts: number) => `One base, fine-tuned ${experts === 2 ? "twice" : `${inWords(experts)} ways`}.`,
    none: "No bundled family is here yet.",
    own: (value: string, task: string) => `${value} of its own task${task}`,
    use: (title: string) => `Merge ${title} too`,
    atLeastTwo: "At least two experts stay.",
  },

  search: {
    title: "Search",
    method: "PSO-Merging",
    sub: (particles: number, evaluations: number) => `${plural(particles, "particle")} · ${plural(evaluations, "evaluation")}`,
    preset: "recipe",
    presetNames: { "glyphs": "short run", "glyphs-paper": "as in the paper", "glyphs-two": "two experts" } as Record<string, string>,
    sharedPreset: "from the link",
    steps: "steps of the swarm",
    inertia: "inertia",
    cognitive: "towards own best",
    social: "towards global best",
    density: "kept when sparsified",
    optimise: "samples a task",
    seed: "search seed",
    sampleSeed: "sample seed",
    newSeed: "New seed",
    more: "More",
    paper: (value: string) => `paper: ${value}`,
    measure: "fitness",
    measures: { metric: "accuracy", log_likelihood: "log-likelihood" } as const,
    aggregate: "over tasks",
    aggregates: { mean: "mean", normalised: "normalised", worst: "worst" } as const,
    random: "random factor per",
    randoms: { scalar: "particle", tensor: "tensor", element: "weight" } as const,
    swarm: "swarm",
    swarms: { subspace: "subspace", resident: "resident" } as const,
    whySubspace: (models: number) => `Particles are coefficients: memory for ${models} models, however many particles.`,
    whyResident: (models: number) => `Particles are whole weights on the GPU: 3 × ${models / 3} = ${models} models of memory.`,
    whyElement: "A random number for every weight leads out of the span of the starting points, so particles must be resident; “subspace” is off.",
    restore: "Restore these values",
    mixed: "differs",
    noSwarm: "This recipe has no swarm; its runs are in Recipe.",
  },

  controls: {
    merge: "Merge", pause: "Pause", resume: "Resume", step: "Step", stop: "Stop", reset: "Reset",
    stepBy: "Step by",
    by: { phase: "phase", particle: "particle", iteration: "iteration" } as const,
    keys: "Space pauses, → steps, R resets",
    resetHint: "Clears the stage; the seed stays",
    stopHint: "Ends the search; the best so far wins",
  },

  swarm: {
    title: "The swarm",
    sub: (samples: string) => `Each dot is a whole network. Shade: score on ${samples}, on a flat cut through the space of weights.`,
    noShade: "Each dot is a whole network, placed on a flat cut through the space of weights.",
    samples: (n: number) => `${n} of the search's samples a task`,
    axes: (x: string, y: string) => `→ ${x}  ↑ ${y}.`,
    projection: "A projection: dots off the plane are drawn where they fall on it, fainter the further away.",
    direction: "Directions",
    automatic: "main spread",
    empty: "Press Merge and the swarm appears here.",
    emptyNoRecording: "Models load only when you press Merge or draw something. Nothing leaves this browser.",
    resident: "Resident particles are whole weights, not mixtures, so they have no place on this plane; their scores are below.",
    average: "plain average",
    best: (score: string) => `global best ${score}`,
    label: (particles: number) => `Map of the swarm with ${plural(particles, "particle")}. Arrow keys move from particle to particle.`,
    particle: (n: number, origin: string) => `particle ${n}, from ${origin}`,
    scored: "score",
    divergedDot: "diverged: not a finite number, never a best",
    offPlane: (share: string) => `${share} of the way off the plane`,
    legend: { start: "start", dot: "particle", own: "personal best", average: "average", best: "global best" },
  },

  scores: {
    title: "Score against evaluations",
    sub: (measure: string) => `${capital(measure)} on the samples the search sees. Band: middle half of the swarm.`,
    best: "global best",
    label: (n: number, best: string) => `Plot of ${plural(n, "evaluation")}; the best score so far is ${best}.`,
    evaluation: (n: number) => `evaluation ${n}`,
    below: (n: number) => `${n} below the frame`,
  },

  tasks: {
    title: "Task by task",
    sub: (n: number | null) => (n === null ? "Unseen samples, with 95 % intervals" : `${n.toLocaleString("en")} unseen samples each, with 95 % intervals`),
    waiting: "Filled in on samples no search has seen, once the winner is chosen.",
    mean: "mean",
    base: "base", own: "own expert", average: "average", merge: "merge",
    regression: "below its own expert, interval leaves out 0",
    row: (task: string, parts: string) => `${task}: ${parts}`,
  },

  verdict: {
    label: "Verdict",
    before: "Several networks go in, one comes out. What it can do, and what it gives up, will stand here.",
    during: (best: string | null, particle: number, step: number) =>
      best === null ? "The swarm is looking." : `The swarm is looking. Its best so far scores ${best}: particle ${particle}, ${step === 0 ? "where it started" : `after ${plural(step, "step")}`}.`,
    testing: "The winner is chosen. Testing it on samples no search has seen.",
    cost: (evaluations: number, time: string) => `${plural(evaluations, "evaluation")} in ${time}.`,
  },

  tryIt: {
    title: "Try it",
    sub: "Draw something; everyone answers.",
    canvas: "Drawing area, 28 by 28 once centred. Arrow keys move the pen, Space puts it down or lifts it.",
    clear: "Clear",
    sample: "Take a sample",
    here: "draw here",
    hint: "",
    sampleOf: (task: string, label: string) => `An unseen sample of ${task}. The right answer is ${label}.`,
    type: "or type",
    as: "answer as",
    whatever: "anything",
    seen: "as the models see it",
    waiting: "loading the models…",
    unsure: "–",
    best: "best yet",
    average: "average",
    merge: "merge",
  },

  take: {
    title: "Take it home",
    download: "Download",
    share: "Share",
    report: "Report",
    needsRun: "After a run",
    packing: "Packing…",
    zip: (size: string) => `Everything as one zip, ${size}`,
    files: "Single files",
    sub: "The merged network as ONNX, one folder a task head and one file with all heads; the report beside it.",
    reload: "This run is shown from the browser's store. Load its models again to download it.",
    reloadButton: "Load it again",
  },

  shareDialog: {
    title: "Share this run",
    sub: "The link holds the recipe, every score and the digest. Nothing is uploaded: it is all in the address.",
    onlyRecipe: "The link holds the recipe. After a run it also holds the scores, so others can verify them.",
    copied: "Copied.",
    copy: "Copy the link",
    byHand: "The browser refused to copy; select it here:",
  },

  recipeDialog: { title: "Recipe", sub: "What determines the run, as JSON. The command line reads the same.", copy: "Copy", save: "Save recipe.json" },

  reportDialog: {
    title: "Report", save: "Save report.json", scores: "Scores on unseen samples", differences: "Differences", cost: "Cost", warnings: "Warnings", digest: "Digest",
    evaluations: "evaluations", inferences: "inferences", wall: "time", runtime: "of it in the runtime", downloaded: "downloaded", gpu: "GPU memory, peak", none: "none", device: "Device",
  },

  link: {
    title: "A link with a recipe",
    shared: "Somebody shared this run. Nothing has started and nothing was loaded.",
    settings: "Its settings stand on the left, ready to run.",
    run: "Run it", verify: "Verify it", dismiss: "Leave it",
    hostile: "The link could not be read, so nothing was started. It said:",
    show: "Show the recipe",
    digestSame: "The digest is the same.",
    digestOther: "The digest differs from the shared one: same settings, another device or build.",
  },

  kept: {
    title: "There is a run from last time",
    finished: (title: string, when: string) => `${title}, finished ${when}.`,
    unfinished: (title: string, evaluations: number, when: string) => `${title}, left after ${plural(evaluations, "evaluation")} ${when}.`,
    show: "Show the last run", goOn: "Go on", forget: "Forget it",
  },

  player: { label: "Recorded run", recorded: "recorded", play: "Play", pause: "Pause", again: "Again", speed: "Speed" },

  error: { title: "That did not work", close: "Close", again: "Try again", tips: {
    offline: "Check the connection, then press Merge again.",
    "out-of-memory": "Close other tabs, leave an expert out, or choose the subspace swarm.",
    quota: "Free some space on this device; the run itself goes on from memory.",
    "device-lost": "Press Merge again; it will run without the GPU.",
    hang: "Press Merge again; it goes on from a fresh thread.",
    "bad-recipe": "The settings that are shown still stand; change the value it names.",
  } as Record<string, string> },
  warnings: (n: number) => plural(n, "remark"),
  close: "Close",
} as const;

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export { list };
