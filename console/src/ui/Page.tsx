import { Title } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import { useSite } from "@/api/site";
import styles from "./Page.module.css";

interface Props {
  title: string;
  lead?: ReactNode; // one or two sentences under the title
  actions?: ReactNode; // buttons at the title's right
  children?: ReactNode;
}

/** A page: its one h1, what may be done with all of it, and its sections, evenly spaced. Sets the tab's title. */
export function Page({ title, lead, actions, children }: Props) {
  useTitle(title);
  return (
    <div className={styles.page}>
      <div className={styles.head}>
        <div className={styles.words}>
          <Title order={1}>{title}</Title>
          {lead && <div className={styles.lead}>{lead}</div>}
        </div>
        {actions && <div className={styles.actions}>{actions}</div>}
      </div>
      {children}
    </div>
  );
}

interface SectionProps {
  id?: string; // so that it can be linked to
  title?: string;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A part of a page under an h2 and a thin rule. */
export function Section({ id, title, lead, actions, children }: SectionProps) {
  return (
    <section id={id} className={styles.section}>
      {(title || actions) && (
        <div className={styles.sectionHead}>
          {title && <Title order={2}>{title}</Title>}
          {actions && <div className={styles.actions}>{actions}</div>}
        </div>
      )}
      {lead && <div className={styles.lead}>{lead}</div>}
      {children}
    </section>
  );
}

export function useTitle(title: string): void {
  const site = useSite();
  useEffect(() => {
    document.title = site?.name && site.name !== title ? `${title} · ${site.name}` : title;
  }, [title, site?.name]);
}
