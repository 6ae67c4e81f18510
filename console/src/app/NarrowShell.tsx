import { Group } from "@mantine/core";
import type { ReactNode } from "react";
import { Outlet } from "react-router";
import { Brand } from "./Brand";
import { LanguageButton, SchemeButton } from "./Preferences";
import styles from "./NarrowShell.module.css";

/** One narrow column for signing in, registering, setting up. */
export function NarrowShell({ children = <Outlet /> }: { children?: ReactNode }) {
  return (
    <div className={styles.shell}>
      <header className={styles.head}>
        <Brand />
        <Group gap={4} wrap="nowrap">
          <LanguageButton />
          <SchemeButton />
        </Group>
      </header>
      <main id="main" tabIndex={-1} className={styles.main}>
        {children}
      </main>
    </div>
  );
}
