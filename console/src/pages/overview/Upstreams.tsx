import { Skeleton } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useChannels, useCourses, useStandings, type Channel } from "@/pages/channels/data";
import { FailureBars } from "@/pages/channels/Sparks";
import { standingOf, type Standing } from "@/pages/channels/standing";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { StatusBadge, type Tone } from "@/ui/StatusBadge";
import styles from "./Overview.module.css";

/** Each channel in a line: whether it is used, how its calls went in the last hours. */
export function Upstreams() {
  const { t } = useTranslation("overview");
  const channels = useChannels();
  const standings = useStandings();
  const courses = useCourses("hours");
  if (channels.error && !channels.data) return <ErrorNote error={channels.error} onRetry={() => void channels.refetch()} />;
  if (!channels.data) return <Skeleton height={60} />;
  if (channels.data.items.length === 0) return <EmptyState title={t("no_channels")} />;
  return (
    <ul className={styles.upstreams}>
      {channels.data.items.map((channel) => {
        const course = courses.data?.items.find((one) => one.channel === channel.name);
        const standing = standingOf(standings.data, channel.name);
        const { tone, word } = verdict(channel, standing);
        return (
          <li key={channel.name}>
            <Link to={`/admin/channels/${encodeURIComponent(channel.name)}`}>{channel.name}</Link>
            <StatusBadge tone={tone}>{t(`upstream.${word}`)}</StatusBadge>
            {course ? <FailureBars course={course} /> : <span className={styles.soft}>{t("under_way", { count: standing.inFlight })}</span>}
          </li>
        );
      })}
    </ul>
  );
}

type Word = "well" | "partly" | "down" | "draining" | "disabled";

/** A channel in a word: by hand first, then by its breakers and credentials. */
function verdict(channel: Channel, standing: Standing): { tone: Tone; word: Word } {
  if (channel.state !== "enabled") return { tone: channel.state === "draining" ? "warn" : "quiet", word: channel.state };
  const open = standing.models.filter((model) => model.state === "open").length;
  const out = standing.credentials.filter((one) => one.state === "out").length;
  const isDown = (open > 0 && open === standing.models.length) || (out > 0 && out === standing.credentials.length);
  if (isDown) return { tone: "bad", word: "down" };
  const isIll = out > 0 || standing.models.some((model) => model.state !== "closed");
  return isIll ? { tone: "warn", word: "partly" } : { tone: "good", word: "well" };
}
