import { Button } from "@mantine/core";
import { IconDownload, IconPlus } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { mayUse, useMember } from "@/api/session";
import { AddressTabs } from "@/ui/AddressTabs";
import { Page } from "@/ui/Page";
import { Definitions } from "./Definitions";
import { Families } from "./Families";
import { History } from "./History";
import { Models } from "./Models";

export default function ModelsPage() {
  const { t } = useTranslation("models");
  const mayWrite = mayUse(useMember(), "catalogue:write");
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
      <AddressTabs
        of={[
          ["models", t("tab.models"), <Models mayWrite={mayWrite} />],
          ["definitions", t("tab.definitions"), <Definitions mayWrite={mayWrite} />],
          ["families", t("tab.families"), <Families mayWrite={mayWrite} />],
          ["history", t("tab.history"), <History />],
        ]}
      />
    </Page>
  );
}
