import { Anchor, Burger, Button, Group } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useTranslation } from "react-i18next";
import { Link, NavLink, Outlet } from "react-router";
import { useSession } from "@/api/session";
import { useSite } from "@/api/site";
import { Announcements } from "./Announcements";
import { Brand } from "./Brand";
import { LanguageButton, SchemeButton } from "./Preferences";
import { navOf } from "./nav";
import styles from "./PublicShell.module.css";

/** The head and foot of the pages that anybody sees. */
export function PublicShell() {
  const { t } = useTranslation();
  const [isOpen, menu] = useDisclosure();
  return (
    <div className={styles.shell}>
      <a href="#main" className="skip">
        {t("nav.skip")}
      </a>
      <header className={styles.head}>
        <div className={styles.inner}>
          <Brand />
          <nav className={styles.nav} aria-label={t("nav.main")}>
            <Entries />
          </nav>
          <Group gap={4} wrap="nowrap" ml="auto">
            <LanguageButton />
            <SchemeButton />
            <span className={styles.wide}>
              <Entrance />
            </span>
            <Burger
              hiddenFrom="sm"
              size="sm"
              opened={isOpen}
              onClick={menu.toggle}
              aria-label={t("nav.open")}
              aria-expanded={isOpen}
              aria-controls="menu"
            />
          </Group>
        </div>
      </header>
      {isOpen && (
        <nav id="menu" className={styles.menu} onClick={menu.close} aria-label={t("nav.main")}>
          <Entries />
          <Entrance />
        </nav>
      )}
      <Announcements />
      <main id="main" tabIndex={-1} className={styles.main}>
        <Outlet />
      </main>
      <Foot />
    </div>
  );
}

function Entries() {
  const { t } = useTranslation();
  return navOf("public", null).map((entry) => (
    <NavLink key={entry.path} to={entry.path} className={styles.entry!}>
      {t(entry.label)}
    </NavLink>
  ));
}

function Entrance() {
  const { t } = useTranslation();
  const { data: session } = useSession();
  const site = useSite();
  if (session) {
    return (
      <Button component={Link} to="/dashboard" size="compact-md">
        {t("nav.console")}
      </Button>
    );
  }
  return (
    <Group gap="xs" wrap="nowrap">
      <Button component={Link} to="/sign-in" variant="subtle" size="compact-md">
        {t("nav.sign_in")}
      </Button>
      {site && site.registration !== "closed" && (
        <Button component={Link} to="/register" size="compact-md">
          {t("nav.register")}
        </Button>
      )}
    </Group>
  );
}

function Foot() {
  const { t } = useTranslation();
  const site = useSite();
  return (
    <footer className={styles.foot}>
      <div className={styles.inner}>
        <span>{site?.name}</span>
        <nav className={styles.footLinks} aria-label={t("nav.foot")}>
          {(["balance", "terms", "privacy"] as const).map((name) => (
            <Anchor key={name} component={Link} to={`/${name}`} c="dimmed" size="sm">
              {t(`nav.${name}`)}
            </Anchor>
          ))}
          {site?.contact_email && (
            <Anchor href={`mailto:${site.contact_email}`} c="dimmed" size="sm">
              {site.contact_email}
            </Anchor>
          )}
        </nav>
      </div>
    </footer>
  );
}
