import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { api, take } from "@/api/client";
import { mayUse, useMember } from "@/api/session";
import { LoadedPage } from "@/ui/Loaded";
import { sayFailed } from "@/ui/notices";
import { Reply } from "./Reply";
import { TicketView } from "./TicketView";

const REFETCH_MS = 30_000; // an answer shows up while one waits for it

/** One of the member's tickets, with all that was written. */
export default function TicketPage() {
  const { t } = useTranslation("desk");
  const { id = "" } = useParams();
  const member = useMember();
  const client = useQueryClient();
  const at = { params: { path: { ticket_id: id } } };
  const query = useQuery({
    queryKey: ["tickets", id],
    queryFn: () => take(api.GET("/api/v1/tickets/{ticket_id}", at)),
    refetchInterval: REFETCH_MS,
  });
  const refresh = () => client.invalidateQueries({ queryKey: ["tickets"] });
  const close = useMutation({
    mutationFn: () => take(api.POST("/api/v1/tickets/{ticket_id}/close", at)),
    onSuccess: refresh,
    onError: sayFailed,
  });
  const reply = async (text: string) => {
    await take(api.POST("/api/v1/tickets/{ticket_id}/messages", { ...at, body: { text } }));
    await refresh();
  };
  return (
    <LoadedPage title={t("tickets")} query={query}>
      {({ ticket, messages }) => (
        <TicketView
          subject={ticket.subject}
          status={ticket.status}
          messages={messages}
          side="member"
          author={(message) => t(message.is_staff ? "support" : "you")}
        >
          {mayUse(member, "tickets:write") && (
            <Reply
              key={ticket.id}
              label={t(ticket.status === "closed" ? "reopen" : "reply")}
              hint={ticket.status === "closed" ? t("reopen_hint") : undefined}
              action={t("send")}
              onSend={reply}
            >
              {ticket.status !== "closed" && (
                <Button variant="default" loading={close.isPending} onClick={() => close.mutate()}>
                  {t("solved")}
                </Button>
              )}
            </Reply>
          )}
        </TicketView>
      )}
    </LoadedPage>
  );
}
