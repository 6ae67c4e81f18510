import { Link } from "react-router";
import { mayUse, useMember } from "@/api/session";
import styles from "./Money.module.css";

/** A member's email, which leads to the member for who may look. */
export function MemberLink({ id, email }: { id: string; email: string }) {
  if (!mayUse(useMember(), "members:read")) return <span className={styles.member}>{email || id}</span>;
  return (
    <Link className={styles.member} to={`/admin/members/${id}`}>
      {email || id}
    </Link>
  );
}
