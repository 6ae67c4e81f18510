import { Button, Loader } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import { formatDuration } from "@/ui/Count";
import { DataTable } from "@/ui/DataTable";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money } from "@/ui/Money";
import { StatusBadge } from "@/ui/StatusBadge";
import { Time } from "@/ui/Time";
import { useProof, type Proof } from "./data";
import styles from "./Overview.module.css";

/** Runs the proof of the books, and shows what it found. */
export function ProofPanel() {
  const { t } = useTranslation("overview");
  const client = useQueryClient();
  const proof = useProof();
  const start = useMutation({
    mutationFn: () => take(api.POST("/api/v1/admin/reconciliation/proof")),
    onSuccess: (began) => client.setQueryData(["proof"], began),
  });
  const isRunning = proof.data?.state === "running";
  const error = start.error ?? proof.error;
  return (
    <>
      {error && <ErrorNote error={error} onRetry={() => void proof.refetch()} />}
      <div className={styles.proof}>
        <Button variant="default" loading={start.isPending || isRunning} onClick={() => start.mutate()}>
          {t("prove")}
        </Button>
        <div role="status">{proof.data && <Verdict proof={proof.data} />}</div>
      </div>
      {proof.data && proof.data.count > 0 && (
        <DataTable
          label={t("differences")}
          list={wholeList(proof.data.differences, proof)}
          columns={[
            { key: "what", title: t("what"), isLead: true, render: (one) => <code>{one.what}</code> },
            { key: "subject", title: t("of"), render: (one) => <span className={styles.breaks}>{one.subject}</span> },
            { key: "expected", title: t("expected"), align: "right", render: (one) => <Money value={one.expected} decimals="all" /> },
            { key: "stored", title: t("stored"), align: "right", render: (one) => <Money value={one.stored} decimals="all" /> },
          ]}
          rowKey={(one) => `${one.what} ${one.subject} ${one.expected}`}
          empty=""
        />
      )}
    </>
  );
}

function Verdict({ proof }: { proof: Proof }) {
  const { t, i18n } = useTranslation("overview");
  if (proof.state === "never") return <span className={styles.soft}>{t("proof_never")}</span>;
  if (proof.state === "running")
    return (
      <span className={styles.soft}>
        <Loader size={14} /> {t("proof_running")}
      </span>
    );
  if (proof.state === "failed") return <StatusBadge tone="warn">{t("proof_failed")}</StatusBadge>;
  return (
    <>
      <StatusBadge tone={proof.count ? "bad" : "good"}>{proof.count ? t("proof_found", { count: proof.count }) : t("proof_well")}</StatusBadge>{" "}
      <span className={styles.soft}>
        <Time ms={proof.started_ms} /> · {formatDuration(proof.took_ms, i18n.language)}
      </span>
    </>
  );
}
