/** Mounts the page on an element with a lab: the site's own, or one that a test brings. */
import { mount } from "svelte";
import type { Lab } from "../index.ts";
import AppView from "./App.svelte";
import { App } from "./state/app.svelte.ts";
import type { Preset } from "./state/settings.svelte.ts";
import "./style/fonts.css";
import "./style/tokens.css";
import "./style/page.css";

export interface MountOptions {
  readonly lab: Lab;
  readonly presets?: readonly Preset[];
  readonly storage?: string;
  /** Addresses of recorded runs, by family; without one the stage is empty until something runs. */
  readonly recordings?: Readonly<Record<string, string>>;
}

export function mountApp(target: HTMLElement, { lab, presets = [], storage = "murmuration", recordings = {} }: MountOptions): App {
  const app = new App(lab, { presets, storage, recordings });
  target.replaceChildren();
  mount(AppView, { target, props: { app } });
  void begin(app);
  return app;
}

async function begin(app: App): Promise<void> {
  await app.open();
  app.follow(location.hash);
  addEventListener("hashchange", () => app.follow(location.hash));
  if (!app.link.problem) void app.tellStory();
  // The threads start once the page stands: nothing is loaded, but the status line can say what runs where.
  const whenIdle = globalThis.requestIdleCallback ?? ((go: () => void) => setTimeout(go, 200));
  whenIdle(() => void app.warmUp());
}
