import {
  createTheme,
  defaultVariantColorsResolver,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";
import type { TFunction } from "i18next";

// One accent: shade 7 carries light pages, shade 3 dark ones.
const pine: MantineColorsTuple = [
  "#e9f6f2", "#cfebe2", "#9cd9c6", "#4fc3a1", "#35a98a", "#228f74", "#177c64", "#0f6b57", "#0b5546", "#073f34",
];
const gray: MantineColorsTuple = [
  "#f7f7f5", "#f0f1ef", "#e4e6e5", "#d7dadb", "#bfc5c9", "#8e979e", "#6a757e", "#566069", "#343c44", "#1d2329",
];
const dark: MantineColorsTuple = [
  "#e4e7ea", "#c3cad0", "#a3adb6", "#7b8690", "#465059", "#343c44", "#222930", "#14181c", "#101316", "#0b0e10",
];
const red: MantineColorsTuple = [
  "#fdf0ee", "#f9dcd8", "#f2b8b0", "#f08d82", "#dd6457", "#cc4a3c", "#bd3a2d", "#a93125", "#8a271d", "#6b1e16",
];
const amber: MantineColorsTuple = [
  "#fdf6e7", "#f9e8c4", "#f2d189", "#e5b454", "#cf9630", "#b27c1b", "#976611", "#84580c", "#6a4608", "#503505",
];

/** Words on a filled colour: white on the dark shades of light pages, almost black on the light shades of dark ones. */
const variantColors: VariantColorsResolver = (input) => {
  const colours = defaultVariantColorsResolver(input);
  return input.variant === "filled" ? { ...colours, color: "var(--on-filled)" } : colours;
};

const dialogOf = (t: TFunction) => ({
  overlayProps: { backgroundOpacity: 0.45 },
  attributes: { header: { role: "presentation" } }, // a dialog's head is no second banner of the page
  closeButtonProps: { "aria-label": t("close") },
});

/** The console's theme; `t` names the parts of dialogs and fields that have no words of their own. */
export const themeOf = (t: TFunction) =>
  createTheme({
    primaryColor: "pine",
    primaryShade: { light: 7, dark: 3 },
    variantColorResolver: variantColors,
    colors: { pine, gray, dark, red, amber },
    black: "#1d2329",
    fontFamily:
      '-apple-system, "Segoe UI", Inter, Roboto, system-ui, "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif',
    fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
    lineHeights: { xs: "1.4", sm: "1.5", md: "1.55", lg: "1.6", xl: "1.5" },
    defaultRadius: "sm",
    radius: { xs: "2px", sm: "4px", md: "6px", lg: "8px", xl: "12px" },
    headings: {
      fontWeight: "600",
      sizes: {
        h1: { fontSize: "1.375rem", lineHeight: "1.3" },
        h2: { fontSize: "1rem", lineHeight: "1.4" },
        h3: { fontSize: "0.875rem", lineHeight: "1.45" },
      },
    },
    shadows: { xs: "none", sm: "none", md: "0 6px 24px rgba(0, 0, 0, 0.12)", lg: "0 6px 24px rgba(0, 0, 0, 0.12)", xl: "0 6px 24px rgba(0, 0, 0, 0.12)" },
    cursorType: "pointer",
    components: {
      Checkbox: { vars: () => ({ root: { "--checkbox-icon-color": "var(--on-filled)" } }) },
      Radio: { vars: () => ({ root: { "--radio-icon-color": "var(--on-filled)" } }) },
      Button: { styles: { label: { fontWeight: 550 } } },
      ActionIcon: { defaultProps: { variant: "subtle", color: "gray" } },
      // On a phone they are drawn to the side rather than put into a second line.
      Tabs: { styles: { list: { flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }, tab: { flex: "none" } } },
      Anchor: { defaultProps: { underline: "hover" } },
      Modal: { defaultProps: { ...dialogOf(t), centered: true } },
      Drawer: { defaultProps: dialogOf(t) },
      PasswordInput: {
        defaultProps: { visibilityToggleFocusable: true, visibilityToggleButtonProps: { "aria-label": t("show_typed") } },
      },
      Tooltip: { defaultProps: { withArrow: false, openDelay: 200, events: { hover: true, focus: true, touch: true } } },
    },
  });

/** The few colours that pages name: `--line`, `--soft`, `--surface`, and those of states. */
export const variables: CSSVariablesResolver = () => ({
  variables: { "--page-width": "72rem" },
  light: {
    "--mantine-color-body": "#fbfbf9",
    "--mantine-color-text": "#1d2329",
    "--mantine-color-dimmed": "#566069",
    "--mantine-color-placeholder": "#6a757e",
    "--mantine-color-default": "#ffffff",
    "--mantine-color-default-hover": "#f4f5f2",
    "--mantine-color-default-border": "#cdd3d6",
    "--mantine-color-anchor": "#0f6b57",
    "--mantine-color-error": "#a93125",
    "--accent": "#0f6b57",
    "--accent-wash": "#e7f2ee",
    "--line": "#dfe3e3",
    "--line-strong": "#1d2329",
    "--soft": "#566069",
    "--surface": "#ffffff",
    "--sunken": "#f3f4f1",
    "--series-1": "#0f6b57",
    "--series-2": "#5aa38f",
    "--series-3": "#c08a2b",
    "--series-4": "#4a6fa5",
    "--series-5": "#a4574b",
    "--series-6": "#8a8f94",
    "--on-filled": "#ffffff",
    "--good": "#0f6b57",
    "--warn": "#84580c",
    "--bad": "#a93125",
  },
  dark: {
    "--mantine-color-body": "#14181c",
    "--mantine-color-text": "#e4e7ea",
    "--mantine-color-dimmed": "#a3adb6",
    "--mantine-color-placeholder": "#8d98a2",
    "--mantine-color-default": "#1a1f24",
    "--mantine-color-default-hover": "#222930",
    "--mantine-color-default-border": "#3b444c",
    "--mantine-color-anchor": "#4fc3a1",
    "--mantine-color-error": "#f08d82",
    "--mantine-color-red-light-color": "#f08d82",
    "--mantine-color-pine-light-color": "#4fc3a1",
    "--accent": "#4fc3a1",
    "--accent-wash": "#17302a",
    "--line": "#2b3238",
    "--line-strong": "#e4e7ea",
    "--soft": "#a3adb6",
    "--surface": "#1a1f24",
    "--sunken": "#191e22",
    "--series-1": "#4fc3a1",
    "--series-2": "#2b7f69",
    "--series-3": "#e0b25c",
    "--series-4": "#7da2d9",
    "--series-5": "#dd8477",
    "--series-6": "#7f8a93",
    "--on-filled": "#0b1512",
    "--good": "#4fc3a1",
    "--warn": "#e5b454",
    "--bad": "#f08d82",
  },
});
