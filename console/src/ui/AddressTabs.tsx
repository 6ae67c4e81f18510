import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";
import { useSearchParams } from "react-router";

/** Parts of a page of which one is shown; which, stands in the address. */
export function AddressTabs({ of }: { of: [name: string, title: string, part: ReactNode][] }) {
  const [params, setParams] = useSearchParams();
  const names = of.map(([name]) => name);
  const asked = params.get("tab") ?? "";
  return (
    <Tabs
      value={names.includes(asked) ? asked : names[0]!}
      onChange={(name) => setParams({ tab: name! }, { replace: true })}
      keepMounted={false}
    >
      <Tabs.List mb="md">
        {of.map(([name, title]) => (
          <Tabs.Tab key={name} value={name}>
            {title}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {of.map(([name, , part]) => (
        <Tabs.Panel key={name} value={name}>
          {part}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
