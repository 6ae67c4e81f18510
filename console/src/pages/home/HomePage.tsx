import { useTranslation } from "react-i18next";
import { CodeBlock } from "@/ui/Code";
import { Page } from "@/ui/Page";

export default function HomePage() {
  const { t } = useTranslation("home");
  return (
    <Page title={t("title")} lead={t("lead")}>
      <CodeBlock code={`${location.origin}/v1`} label={t("base_url")} />
    </Page>
  );
}
