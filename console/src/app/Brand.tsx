import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useSite } from "@/api/site";
import styles from "./Brand.module.css";

/** The gate of a post station, and the operator's name of the site; links home. */
export function Brand() {
  const { t } = useTranslation();
  const site = useSite();
  return (
    <Link to="/" className={styles.brand} aria-label={site ? undefined : t("nav.home")}>
      {site?.logo ? <img src={site.logo} alt="" className={styles.logo} /> : <Gate />}
      <span className={styles.name}>{site?.name ?? ""}</span>
    </Link>
  );
}

function Gate() {
  return (
    <svg viewBox="0 0 32 32" className={styles.logo} aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <path
        d="M6 10.5c3.5-2 16.5-2 20 0M8.5 15.5h15M11.5 10v14M20.5 10v14"
        fill="none"
        stroke="var(--mantine-color-body)"
        strokeWidth="2.4"
        strokeLinecap="round"
      />
    </svg>
  );
}
