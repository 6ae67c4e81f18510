import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { chooseLanguage, LANGUAGES, type Language } from "./i18n";

/** The language that the page is not shown in. */
export function useOtherLanguage(): Language {
  return useTranslation().i18n.language === "zh" ? "en" : "zh";
}

/** Whether the page is light or dark, and how to go over to the other. */
export function useScheme(): { other: "light" | "dark"; toggle: () => void } {
  const { setColorScheme } = useMantineColorScheme();
  const other = useComputedColorScheme() === "dark" ? "light" : "dark";
  return { other, toggle: () => setColorScheme(other) };
}

/** Shows the other language's name, and goes over to it. */
export function LanguageButton() {
  const other = useOtherLanguage();
  return (
    <Button
      variant="subtle"
      color="gray"
      size="compact-md"
      px={8}
      styles={{ label: { fontWeight: 400 } }}
      lang={other}
      onClick={() => void chooseLanguage(other)}
    >
      {LANGUAGES[other]}
    </Button>
  );
}

export function SchemeButton() {
  const { t } = useTranslation();
  const { other, toggle } = useScheme();
  return (
    <ActionIcon size="lg" aria-label={t(`preferences.${other}`)} onClick={toggle}>
      {other === "dark" ? <IconMoon size={18} stroke={1.6} /> : <IconSun size={18} stroke={1.6} />}
    </ActionIcon>
  );
}
