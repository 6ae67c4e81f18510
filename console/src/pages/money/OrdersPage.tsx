import { Tabs } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { Page } from "@/ui/Page";
import { InvoicesTable } from "./InvoicesTable";
import { OrdersTable } from "./OrdersTable";

/** What members want to pay, and the invoices that they ask for. */
export default function OrdersPage() {
  const { t } = useTranslation("money");
  const [params, setParams] = useSearchParams();
  const tab = params.get("tab") === "invoices" ? "invoices" : "orders";
  return (
    <Page title={t("orders")} lead={t("orders_lead")}>
      <Tabs value={tab} onChange={(chosen) => setParams(chosen === "invoices" ? { tab: chosen } : {}, { replace: true })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="orders">{t("top_ups")}</Tabs.Tab>
          <Tabs.Tab value="invoices">{t("invoices")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="orders">
          <OrdersTable />
        </Tabs.Panel>
        <Tabs.Panel value="invoices">
          <InvoicesTable />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
