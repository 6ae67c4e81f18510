/** The viewer's time zone, whose days and months the figures are of. */
export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;
