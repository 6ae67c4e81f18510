import { Button, Progress } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { headersFor, problemOf } from "@/api/client";
import { Unreachable } from "@/api/problems";
import { dayOf } from "@/ui/days";
import { ErrorNote } from "@/ui/ErrorNote";
import { saveFile } from "@/ui/saveFile";
import styles from "./Usage.module.css";

interface Props {
  path: string; // of the API
  query: Record<string, string | number | undefined>;
  expected: number; // about how many calls there will be, 0: nobody knows
}

const NEWLINE = 10;

/** Writes the calls that the page shows to a CSV file, telling how far it is. */
export function ExportButton({ path, query, expected }: Props) {
  const { t, i18n } = useTranslation("usage");
  const [rows, setRows] = useState<number | null>(null); // null: nothing is being written
  const [error, setError] = useState<Error | null>(null);
  const stop = useRef<AbortController>(null);
  const write = async () => {
    const control = (stop.current = new AbortController());
    setError(null);
    setRows(0);
    try {
      const file = await fetched(path, query, control.signal, setRows);
      saveFile(`usage-${dayOf(Date.now())}.csv`, file);
    } catch (fault) {
      if (!control.signal.aborted) setError(fault instanceof Error ? fault : new Unreachable());
    } finally {
      setRows(null);
    }
  };
  if (rows === null)
    return (
      <>
        <Button variant="default" leftSection={<IconDownload size={15} stroke={1.7} />} onClick={() => void write()}>
          {t("export")}
        </Button>
        {error && <ErrorNote error={error} onRetry={() => void write()} />}
      </>
    );
  const share = expected ? Math.min(100, (rows / expected) * 100) : 100;
  return (
    <div className={styles.export} role="status">
      <span>{t("exported", { count: rows, shown: new Intl.NumberFormat(i18n.language).format(rows) })}</span>
      <Progress value={share} animated={!expected} size="xs" aria-label={t("export")} />
      <Button variant="subtle" size="compact-sm" onClick={() => stop.current?.abort()}>
        {t("common:cancel")}
      </Button>
    </div>
  );
}

async function fetched(path: string, query: Props["query"], signal: AbortSignal, onRows: (rows: number) => void): Promise<Blob> {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== "") params.set(name, String(value));
  const response = await fetch(`${path}?${params}`, { headers: headersFor("GET"), signal, credentials: "same-origin" });
  if (!response.ok) throw problemOf(response, await response.json().catch(() => undefined));
  const parts: BlobPart[] = [];
  let rows = -1; // the head
  const reader = response.body!.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    parts.push(read.value as BlobPart);
    for (const byte of read.value) if (byte === NEWLINE) rows += 1;
    onRows(Math.max(0, rows));
  }
  return new Blob(parts, { type: "text/csv" });
}
