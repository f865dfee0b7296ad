/** Mounts the page on an element with a lab: the site's own, or one that a test brings. */
import { mount } from "svelte";
import type { Lab } from "../index.ts";
import AppView from "./App.svelte";
import { App } from "./state/app.svelte.ts";
import { isRecording } from "./state/recording.ts";
import type { Preset } from "./state/settings.svelte.ts";
import "./style/fonts.css";
import "./style/tokens.css";
import "./style/page.css";

export interface MountOptions {
  readonly lab: Lab;
  readonly presets?: readonly Preset[];
  readonly storage?: string;
  /** Address of a recorded run for the first view; a site without one shows an empty stage. */
  readonly recording?: string;
}

export function mountApp(target: HTMLElement, { lab, presets = [], storage = "murmuration", recording }: MountOptions): App {
  const app = new App(lab, { presets, storage });
  target.replaceChildren();
  mount(AppView, { target, props: { app } });
  void begin(app, recording);
  return app;
}

async function begin(app: App, recording: string | undefined): Promise<void> {
  await app.open();
  app.follow(location.hash);
  addEventListener("hashchange", () => app.follow(location.hash));
  if (recording && !app.link.recipe && !app.link.problem) void tellStory(app, recording);
  // The threads start once the page stands: nothing is loaded, but the status line can say what runs where.
  const whenIdle = globalThis.requestIdleCallback ?? ((go: () => void) => setTimeout(go, 200));
  whenIdle(() => void app.warmUp());
}

async function tellStory(app: App, address: string): Promise<void> {
  const answer = await fetch(address).catch(() => null);
  const story: unknown = answer?.ok ? await answer.json().catch(() => null) : null;
  if (!isRecording(story) || app.run.status !== "idle") return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  app.showRecording(story, still ? "whole" : "play");
}
