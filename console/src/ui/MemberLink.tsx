import { Link } from "react-router";
import { mayUse, useMember } from "@/api/session";
import styles from "./MemberLink.module.css";

/** A member's email, which leads to the member for who may look, also in a row that leads elsewhere; the id where no
 * email is known. */
export function MemberLink({ id, email }: { id: string; email: string }) {
  const words = email || id;
  if (!mayUse(useMember(), "members:read")) return <span className={styles.member}>{words}</span>;
  return (
    <Link className={styles.member} onClick={(event) => event.stopPropagation()} to={`/admin/members/${encodeURIComponent(id)}`}>
      {words}
    </Link>
  );
}
