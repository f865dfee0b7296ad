/** Tables for spreadsheets. */

export type CsvCell = number | string | null | undefined;

/** One line a row, the first with names. */
export function csv(rows: readonly (readonly CsvCell[])[]): string {
  return `${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

function cell(value: CsvCell): string {
  const text = String(value ?? "");
  // A quote where CSV needs one, and where a spreadsheet would take text for a formula.
  return /[",\n\r]|^[=+@-]/.test(text) && typeof value === "string" ? `"${text.replaceAll('"', '""')}"` : text;
}
