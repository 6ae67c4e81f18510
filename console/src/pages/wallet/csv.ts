import { saveFile } from "@/ui/saveFile";

/** Offers rows as a CSV file: UTF-8 with a mark, so that spreadsheets read it; a cell that a spreadsheet would
 * take for a formula gets an apostrophe before it. */
export function saveCsv(name: string, rows: string[][]): void {
  const text = rows.map((row) => row.map(cellOf).join(",")).join("\r\n");
  saveFile(name, new Blob(["\ufeff", text, "\r\n"], { type: "text/csv;charset=utf-8" }));
}

const NUMBER = /^-?\d+(\.\d+)?$/;

function cellOf(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
