import { Button, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { useSession } from "@/api/session";
import { useSite } from "@/api/site";
import { CodeBlock, CopyLine } from "@/ui/Code";
import { Markdown } from "@/ui/Markdown";
import { useTitle } from "@/ui/Page";
import { useText } from "../texts/TextPage";
import { AtAGlance, SHOWN } from "./AtAGlance";
import styles from "./Home.module.css";
import { SNIPPETS } from "./snippets";

export default function HomePage() {
  const { t } = useTranslation("home");
  const site = useSite();
  const [lead, ...more] = useText("landing").data?.text.split(/\n\s*\n/) ?? []; // its first paragraph stands at the top
  const prices = useQuery({
    queryKey: ["prices", "first"],
    queryFn: () => take(api.GET("/api/v1/prices", { params: { query: { kind: "chat", limit: SHOWN } } })),
  });
  const baseUrl = `${site?.public_url || location.origin}/v1`;
  const model = prices.data?.models[0]?.name ?? "gpt-4o-mini";
  useTitle(site?.name ?? t("title"));
  return (
    <div className={styles.home}>
      <section className={styles.hero}>
        <div className={styles.words}>
          <h1>{t("title")}</h1>
          <div className={styles.lead}>{lead && <Markdown>{lead}</Markdown>}</div>
          <div className={styles.base}>
            <span>{t("base_url")}</span>
            <CopyLine value={baseUrl} label={t("base_url")} />
          </div>
          <Calls />
        </div>
        <Tabs defaultValue="python" className={styles.snippet}>
          <Tabs.List aria-label={t("snippets")}>
            {SNIPPETS.map((one) => (
              <Tabs.Tab key={one.name} value={one.name}>
                {one.title}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {SNIPPETS.map((one) => (
            <Tabs.Panel key={one.name} value={one.name}>
              <CodeBlock code={one.code(baseUrl, model)} label={one.title} />
            </Tabs.Panel>
          ))}
        </Tabs>
      </section>
      {prices.data && prices.data.models.length > 0 && <AtAGlance prices={prices.data} />}
      {more.length > 0 && <Markdown>{more.join("\n\n")}</Markdown>}
    </div>
  );
}

/** The next step: registering, or one's own console. */
function Calls() {
  const { t } = useTranslation("home");
  const { data: session } = useSession();
  const site = useSite();
  const isOpen = site && site.registration !== "closed";
  return (
    <div className={styles.calls}>
      {session ? (
        <Button component={Link} to="/dashboard">
          {t("common:nav.console")}
        </Button>
      ) : (
        <Button component={Link} to={isOpen ? "/register" : "/sign-in"}>
          {t(isOpen ? "begin" : "sign_in")}
        </Button>
      )}
      <Button component={Link} to="/docs" variant="default">
        {t("read")}
      </Button>
    </div>
  );
}
