import { expect, test } from "vitest";
import { parseRecipe } from "../../src/index.ts";
import { App } from "../../src/ui/state/app.svelte.ts";
import { recipeOf } from "../../src/ui/state/settings.svelte.ts";
import { SharedLink } from "../../src/ui/state/sharedLink.svelte.ts";
import { fakeFamily, fakeLab } from "../fixtures/ui/fakeLab.ts";

const recipe = parseRecipe({ ...recipeOf(fakeFamily(3)), title: "<img src=x onerror=alert(1)>", seeds: { search: 99 } });

test("a link sets what it says and starts nothing", async () => {
  let started = 0;
  const lab = fakeLab({ experts: 3 });
  const app = new App({ ...lab, start: (...given) => (started++, lab.start(...given)) }, { storage: "unit" });
  await app.open();
  app.follow(`#${new SharedLink().write(null, recipe)}`);
  expect(app.link.recipe?.title).toBe("<img src=x onerror=alert(1)>");
  expect(app.settings.whole.seeds.search).toBe(99);
  expect(started).toBe(0);
  expect(app.current.status).toBe("idle");
});

test.for(["#%00%ff", "#AAAA", "#__proto__", `#${"A".repeat(1_000_000)}`, "#<img src=x onerror=alert(1)>"])("a hostile link is a sentence and a text, no more: %.20s", async (hash) => {
  const app = new App(fakeLab({ experts: 3 }), { storage: "unit" });
  await app.open();
  const before = app.settings.recipe;
  app.follow(hash);
  expect(app.link.problem).toMatch(/link/);
  expect(app.link.text.length).toBeLessThan(500);
  expect(app.settings.recipe).toEqual(before);
  expect(app.current.status).toBe("idle");
});

test("a finished run comes back from its link ready to verify, and says that all matched", async () => {
  const lab = fakeLab({ experts: 3, beatMs: 0 });
  const hash = new SharedLink().write(await lab.run(recipe), recipe);
  const app = new App(lab, { storage: "unit" });
  await app.open();
  app.follow(`#${hash}`);
  expect(app.link.journal?.rows).toHaveLength(42);
  app.verify();
  await expect.poll(() => app.link.matched).toBe("All 42 evaluations score the same here. The digest is the same.");
});
