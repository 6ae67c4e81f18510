import { Button, FileButton, PasswordInput, Switch, Textarea } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { IconDownload, IconUpload } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { mayUse, useMember } from "@/api/session";
import catalogue from "@/pages/catalogue/Catalogue.module.css";
import { useProposal } from "@/pages/catalogue/Proposal";
import { CodeBlock } from "@/ui/Code";
import { ErrorNote } from "@/ui/ErrorNote";
import { Loaded } from "@/ui/Loaded";
import { Page, Section } from "@/ui/Page";
import { saveFile } from "@/ui/saveFile";
import styles from "./Configuration.module.css";

const FILE = "posthouse.toml";

export default function ConfigurationPage() {
  const { t } = useTranslation("configuration");
  const mayWrite = mayUse(useMember(), "settings:write");
  const query = useQuery({ queryKey: ["configuration"], queryFn: () => take(api.GET("/api/v1/configuration")) });
  return (
    <Page title={t("title")} lead={t("lead")}>
      <Loaded query={query}>
        {({ toml, version }) => (
          <>
            <Section title={t("export.title")} lead={t("export.lead")} actions={<Download toml={toml} />}>
              <div className={styles.file}>
                <CodeBlock code={toml} label={FILE} />
              </div>
            </Section>
            {mayWrite && (
              <Section title={t("import.title")} lead={t("import.lead")}>
                <Import toml={toml} version={version} />
              </Section>
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Download({ toml }: { toml: string }) {
  const { t } = useTranslation("configuration");
  const save = () => saveFile(FILE, new Blob([toml], { type: "application/toml" }));
  return (
    <Button variant="default" size="compact-md" leftSection={<IconDownload size={15} stroke={1.7} />} onClick={save}>
      {t("export.download")}
    </Button>
  );
}

const VARIABLE = /(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** The names of a file's variables; a doubled dollar stands for itself. */
function variablesOf(toml: string): string[] {
  return [...new Set([...toml.matchAll(VARIABLE)].filter((found) => !found[1]).map((found) => found[2]!))];
}

function Import({ toml: exported, version }: { toml: string; version: string }) {
  const { t } = useTranslation("configuration");
  const [toml, setToml] = useState("");
  const [seen] = useState(version);
  const [isStrict, setStrict] = useState(true);
  const [values, setValues] = useState<Record<string, string>>({});
  const proposal = useProposal(() => setToml(""));
  const names = variablesOf(toml);
  const read = async (file: File | null) => file && setToml(await file.text());
  const preview = useMutation({
    mutationFn: () => {
      const variables = Object.fromEntries(names.filter((name) => values[name]).map((name) => [name, values[name]!]));
      const body = { toml, variables, version: isStrict ? seen : null };
      return proposal.propose((isDryRun) => take(api.POST("/api/v1/configuration", { params: { query: { dry_run: isDryRun } }, body })));
    },
  });
  return (
    <div className={catalogue.form}>
      <div className={styles.buttons}>
        <FileButton onChange={(file) => void read(file)} accept=".toml,application/toml,text/plain">
          {(props) => (
            <Button {...props} variant="default" size="compact-md" leftSection={<IconUpload size={15} stroke={1.7} />}>
              {t("import.choose")}
            </Button>
          )}
        </FileButton>
        <Button variant="default" size="compact-md" onClick={() => setToml(exported)}>
          {t("import.start")}
        </Button>
      </div>
      <Textarea
        label={t("import.text")}
        value={toml}
        onChange={(event) => setToml(event.currentTarget.value)}
        autosize
        minRows={6}
        maxRows={24}
        spellCheck={false}
        classNames={{ input: styles.text }}
      />
      {names.length > 0 && (
        <div>
          <p className={styles.hint}>{t("import.variables")}</p>
          <div className={catalogue.grid}>
            {names.map((name) => (
              <PasswordInput
                key={name}
                label={name}
                autoComplete="off"
                value={values[name] ?? ""}
                onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
                visibilityToggleButtonProps={{ "aria-label": t("import.show", { name }) }}
              />
            ))}
          </div>
        </div>
      )}
      <Switch
        label={t("import.strict")}
        description={t("import.strict_hint")}
        checked={isStrict}
        onChange={(event) => setStrict(event.currentTarget.checked)}
      />
      {preview.error && <ErrorNote error={preview.error} />}
      <div>
        <Button onClick={() => preview.mutate()} loading={preview.isPending} disabled={!toml.trim()}>
          {t("import.preview")}
        </Button>
      </div>
      {proposal.dialog}
    </div>
  );
}
