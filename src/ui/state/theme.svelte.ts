/** Light, dark, or as the system says; kept for the next visit. `public/theme.js` reads it before the first paint. */
export type ThemeChoice = "auto" | "light" | "dark";
export const THEMES: readonly ThemeChoice[] = ["auto", "light", "dark"];
const KEY = "murmuration:theme";

export class Theme {
  choice = $state<ThemeChoice>(kept());

  set(choice: ThemeChoice): void {
    this.choice = choice;
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    try {
      if (choice === "auto") localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, choice);
    } catch {
      // Storage refused: the choice lasts as long as the page.
    }
  }
}

function kept(): ThemeChoice {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto";
  }
}
