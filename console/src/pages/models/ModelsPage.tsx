import { Button, Tabs } from "@mantine/core";
import { IconDownload, IconPlus } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link, useSearchParams } from "react-router";
import { mayUse, useMember } from "@/api/session";
import { Page } from "@/ui/Page";
import { Definitions } from "./Definitions";
import { Families } from "./Families";
import { History } from "./History";
import { Models } from "./Models";
import styles from "./Models.module.css";

const TABS = ["models", "definitions", "families", "history"] as const;

export default function ModelsPage() {
  const { t } = useTranslation("models");
  const [params, setParams] = useSearchParams();
  const mayWrite = mayUse(useMember(), "catalogue:write");
  const tab = TABS.find((one) => one === params.get("tab")) ?? "models";
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        mayWrite && (
          <>
            <Button component={Link} to="/admin/models/import" variant="default" leftSection={<IconDownload size={16} stroke={1.7} />}>
              {t("import.button")}
            </Button>
            <Button component={Link} to="/admin/models/edit" leftSection={<IconPlus size={16} stroke={1.8} />}>
              {t("add")}
            </Button>
          </>
        )
      }
    >
      <Tabs value={tab} onChange={(value) => setParams({ tab: value! }, { replace: true })} keepMounted={false}>
        <Tabs.List className={styles.tabs}>
          {TABS.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t(`tab.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="models" pt="md">
          <Models mayWrite={mayWrite} />
        </Tabs.Panel>
        <Tabs.Panel value="definitions" pt="md">
          <Definitions mayWrite={mayWrite} />
        </Tabs.Panel>
        <Tabs.Panel value="families" pt="md">
          <Families mayWrite={mayWrite} />
        </Tabs.Panel>
        <Tabs.Panel value="history" pt="md">
          <History />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
