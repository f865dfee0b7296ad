// Before the first paint: light or dark as chosen last time, else as the system says.
try {
  const theme = localStorage.getItem("murmuration:theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  /* storage refused: the system's choice stands */
}
