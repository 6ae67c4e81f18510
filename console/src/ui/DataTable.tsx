import { Button, Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { List } from "@/api/lists";
import { EmptyState } from "./EmptyState";
import { ErrorNote } from "./ErrorNote";
import styles from "./DataTable.module.css";

export interface Column<T> {
  key: string;
  title: string; // in the head, and on a phone before the value; may be "" for a column of buttons
  render: (row: T) => ReactNode;
  align?: "right"; // numbers and buttons
  isLead?: boolean; // on a phone: the row's own heading, without its title before it
  width?: string;
}

interface Props<T> {
  label: string; // what the table holds, for screen readers
  list: List<T>;
  columns: Column<T>[];
  rowKey: (row: T) => string;
  empty: ReactNode; // a title, or an <EmptyState>
  onRow?: (row: T) => void; // the row can be opened by a click; give a link or button in a cell as well
}

const SKELETON_ROWS = 4;

/** A list with its empty, loading and error states. On a phone each row becomes a block of lines. The roles are
 * spelt out because a table that is not displayed as one loses its own. */
export function DataTable<T>({ label, list, columns, rowKey, empty, onRow }: Props<T>) {
  const { t } = useTranslation();
  if (list.error && list.items.length === 0) return <ErrorNote error={list.error} onRetry={list.refetch} />;
  if (!list.isLoading && list.items.length === 0) {
    return typeof empty === "string" ? <EmptyState title={empty} /> : empty;
  }
  return (
    <div>
      <div className={styles.scroll} role="group" aria-label={label} tabIndex={0}>
        <table className={styles.table} role="table" aria-label={label} aria-busy={list.isLoading}>
          <thead role="rowgroup">
            <tr role="row">
              {columns.map((column) => (
                <th key={column.key} role="columnheader" scope="col" data-align={column.align} style={{ width: column.width }}>
                  {column.title || <span className={styles.hidden}>{t("actions")}</span>}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {list.isLoading
              ? Array.from({ length: SKELETON_ROWS }, (_, index) => (
                  <tr key={index} role="row">
                    {columns.map((column) => (
                      <td key={column.key} role="cell">
                        <Skeleton height={12} my={4} width={column.isLead ? "70%" : "50%"} />
                      </td>
                    ))}
                  </tr>
                ))
              : list.items.map((row) => (
                  <tr key={rowKey(row)} role="row" data-opens={onRow ? true : undefined} onClick={onRow && (() => onRow(row))}>
                    {columns.map((column) => (
                      <td key={column.key} role="cell" data-align={column.align} data-lead={column.isLead} data-label={column.title} data-buttons={!column.title || undefined}>
                        {column.render(row)}
                      </td>
                    ))}
                  </tr>
                ))}
          </tbody>
        </table>
      </div>
      {list.error && <ErrorNote error={list.error} onRetry={list.refetch} />}
      {list.hasMore && (
        <div className={styles.more}>
          <Button variant="default" size="compact-md" loading={list.isLoadingMore} onClick={list.loadMore}>
            {t("more")}
          </Button>
        </div>
      )}
    </div>
  );
}
