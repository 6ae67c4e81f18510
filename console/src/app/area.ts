import type { ComponentType, ReactNode } from "react";

/** Where a page stands: with the public head, alone in a narrow column (sign-in), or in the console. */
export type Shell = "public" | "narrow" | "member" | "operator";

export interface PageRoute {
  path: string;
  shell: Shell;
  page: () => Promise<{ default: ComponentType }>;
  permission?: string; // who lacks it sees the page of a missing page
}

export interface NavEntry {
  path: string;
  shell: Shell;
  label: string; // a key of the common texts: "nav.keys"
  order: number;
  icon?: ReactNode;
  permission?: string;
  group?: string; // operators: a key of the common texts for the heading above: "nav.group.people"
}

/** What one slice gives to the console: its pages, and its lines in the navigation. */
export interface Area {
  routes: PageRoute[];
  nav: NavEntry[];
}
