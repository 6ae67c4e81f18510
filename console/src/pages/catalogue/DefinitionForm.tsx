import { Button } from "@mantine/core";
import type { UseFormReturnType } from "@mantine/form";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayFailed } from "@/ui/notices";
import styles from "./Catalogue.module.css";
import { showRefusal } from "./fields";
import { useProposal, type Run } from "./Proposal";
import type { Changes } from "./types";

interface Props<V extends Record<string, unknown>> {
  form: UseFormReturnType<V>;
  save: (values: V, isDryRun: boolean) => Promise<Changes>;
  remove?: Run; // where it may be taken out of the configuration
  action?: string; // the button's words where they are not "Preview"
  isDisabled?: boolean;
  back: string; // where one is without a change
  onwards?: string; // where one is after it
  children: ReactNode;
}

/** A form that changes the configuration: what that does is shown before it is done. */
export function DefinitionForm<V extends Record<string, unknown>>(props: Props<V>) {
  const { form, save, remove, action, isDisabled, back, onwards = back, children } = props;
  const { t } = useTranslation("catalogue");
  const navigate = useNavigate();
  const proposal = useProposal(() => void navigate(onwards));
  const { error, submit } = useSubmit(form, (values) => proposal.propose((isDryRun) => save(values, isDryRun)), showRefusal);
  return (
    <>
      <form className={styles.form} onSubmit={submit}>
        {children}
        {error && <ErrorNote error={error} />}
        <div className={styles.foot}>
          <Button type="submit" loading={form.submitting} disabled={isDisabled}>
            {action ?? t("preview.ask")}
          </Button>
          <Button variant="default" component={Link} to={back}>
            {t("common:cancel")}
          </Button>
          {remove && (
            <Button
              variant="subtle"
              color="red"
              className={styles.danger}
              onClick={() => void proposal.propose(remove).catch(sayFailed)}
            >
              {t("remove")}
            </Button>
          )}
        </div>
      </form>
      {proposal.dialog}
    </>
  );
}
