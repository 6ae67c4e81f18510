import { MemberLink } from "./MemberLink";

/** Who changed something, as the log calls them: an account, which leads to its page, or "cli". */
export function Actor({ actor, email }: { actor: string; email: string }) {
  return email ? <MemberLink id={actor.split("/")[0]!} email={email} /> : actor;
}
