import { ActionIcon, Button, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconMoon, IconSun } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { chooseLanguage, language, LANGUAGES } from "./i18n";

/** Shows the other language's name, and goes over to it. */
export function LanguageButton() {
  useTranslation(); // to be drawn anew in the new language
  const other = language() === "zh" ? "en" : "zh";
  return (
    <Button variant="subtle" color="gray" size="compact-md" px={8} lang={other} onClick={() => void chooseLanguage(other)}>
      {LANGUAGES[other]}
    </Button>
  );
}

export function SchemeButton() {
  const { t } = useTranslation();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme();
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <ActionIcon size="lg" aria-label={t(`preferences.${other}`)} onClick={() => setColorScheme(other)}>
      {other === "dark" ? <IconMoon size={18} stroke={1.6} /> : <IconSun size={18} stroke={1.6} />}
    </ActionIcon>
  );
}
