import { useTranslation } from "react-i18next";
import { AddressTabs } from "@/ui/AddressTabs";
import { Page } from "@/ui/Page";
import { InvoicesTable } from "./InvoicesTable";
import { OrdersTable } from "./OrdersTable";

/** What members want to pay, and the invoices that they ask for. */
export default function OrdersPage() {
  const { t } = useTranslation("money");
  return (
    <Page title={t("orders")} lead={t("orders_lead")}>
      <AddressTabs
        of={[
          ["orders", t("top_ups"), <OrdersTable />],
          ["invoices", t("invoices"), <InvoicesTable />],
        ]}
      />
    </Page>
  );
}
