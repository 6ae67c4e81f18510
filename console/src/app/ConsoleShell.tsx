import { Burger, Drawer, Menu, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconChevronUp } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, NavLink, Outlet, useLocation } from "react-router";
import { useSession, type Session } from "@/api/session";
import { useSignOut } from "@/api/signOut";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { Announcements } from "./Announcements";
import { Brand } from "./Brand";
import { MissingPage } from "./FailedPage";
import { useOtherLanguage, useScheme } from "./Preferences";
import { chooseLanguage, LANGUAGES } from "./i18n";
import { grouped, navOf } from "./nav";
import { NarrowShell } from "./NarrowShell";
import styles from "./ConsoleShell.module.css";

type Side = "member" | "operator";

/** The console: navigation at the left (on a phone behind a button), the page at the right. */
export function ConsoleShell({ side }: { side: Side }) {
  const { t } = useTranslation();
  const { data: session, error, refetch } = useSession();
  const { pathname, search } = useLocation();
  // What was read stays when reading it anew fails: somebody may be in the middle of a form.
  if (session === undefined) {
    if (!error) return <PageSkeleton />;
    return (
      <NarrowShell>
        <Page title={t("failed.out_of_reach")}>
          <ErrorNote error={error} onRetry={() => void refetch()} />
        </Page>
      </NarrowShell>
    );
  }
  if (session === null) {
    return <Navigate to={`/sign-in?next=${encodeURIComponent(pathname + search)}`} replace />;
  }
  if (side === "operator" && navOf("operator", session).length === 0) return <MissingPage />;
  return <Frame side={side} session={session} />;
}

function Frame({ side, session }: { side: Side; session: Session }) {
  const { t } = useTranslation();
  const [isOpen, menu] = useDisclosure();
  const navigation = (
    <nav className={styles.nav} aria-label={t("nav.main")} onClick={menu.close}>
      <Entries side={side} session={session} />
    </nav>
  );
  return (
    <div className={styles.shell}>
      <a href="#main" className="skip">
        {t("nav.skip")}
      </a>
      <header className={styles.bar}>
        <Burger size="sm" opened={isOpen} onClick={menu.toggle} aria-label={t("nav.open")} />
        <Brand />
      </header>
      <aside className={styles.side} aria-label={t("nav.console")}>
        <div className={styles.brand}>
          <Brand />
        </div>
        {navigation}
        <Foot side={side} session={session} />
      </aside>
      <Drawer opened={isOpen} onClose={menu.close} size="17rem" title={<Brand />} classNames={{ body: styles.drawer }}>
        {navigation}
        <Foot side={side} session={session} />
      </Drawer>
      <div className={styles.page}>
        {session.is_view_only && <Viewing session={session} />}
        <Announcements />
        <main id="main" tabIndex={-1} className={styles.main}>
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** That these are a member's pages, and the way back to one's own. */
function Viewing({ session }: { session: Session }) {
  const { t } = useTranslation();
  const signOut = useSignOut(session);
  return (
    <div className={styles.viewing}>
      <span role="status">{t("viewing", { email: session.email })}</span>
      <UnstyledButton className={styles.end} disabled={signOut.isPending} onClick={() => signOut.mutate()}>
        {t("nav.end_view")}
      </UnstyledButton>
    </div>
  );
}

function Entries({ side, session }: { side: Side; session: Session }) {
  const { t } = useTranslation();
  return grouped(navOf(side, session)).map(([heading, entries]) => (
    <div key={heading} className={styles.group}>
      {heading && <div className={styles.heading}>{t(heading)}</div>}
      {entries.map((entry) => (
        <NavLink key={entry.path} to={entry.path} end={entry.path === "/admin"} className={styles.entry!}>
          {entry.icon}
          {t(entry.label)}
        </NavLink>
      ))}
    </div>
  ));
}

function Foot({ side, session }: { side: Side; session: Session }) {
  const { t } = useTranslation();
  const signOut = useSignOut(session);
  const other = useOtherLanguage();
  const scheme = useScheme();
  const isOperator = navOf("operator", session).length > 0;
  return (
    <div className={styles.foot}>
      {isOperator && (
        <Link to={side === "member" ? "/admin" : "/dashboard"} className={styles.switch}>
          {t(side === "member" ? "nav.operator" : "nav.member")}
        </Link>
      )}
      <Menu position="top-start" width="target" withinPortal>
        <Menu.Target>
          <UnstyledButton className={styles.who} aria-label={`${t("nav.account")}: ${session.email}`}>
            <span>{session.email}</span>
            <IconChevronUp size={14} stroke={1.6} aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={Link} to="/profile">
            {t("nav.profile")}
          </Menu.Item>
          <Menu.Item component={Link} to="/">
            {t("nav.home")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item lang={other} onClick={() => void chooseLanguage(other)}>
            {LANGUAGES[other]}
          </Menu.Item>
          <Menu.Item onClick={scheme.toggle}>{t(`preferences.${scheme.other}`)}</Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={() => signOut.mutate()}>{t(session.is_view_only ? "nav.end_view" : "nav.sign_out")}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

