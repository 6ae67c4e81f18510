import { Button } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { api, take } from "@/api/client";
import { LoadedPage } from "@/ui/Loaded";
import { MemberLink } from "@/ui/MemberLink";
import { sayDone, sayFailed } from "@/ui/notices";
import { Reply } from "./Reply";
import { TicketView } from "./TicketView";

/** A member's ticket, to be answered. */
export default function DeskTicketPage() {
  const { t } = useTranslation("desk");
  const { id = "" } = useParams();
  const client = useQueryClient();
  const at = { params: { path: { ticket_id: id } } };
  const query = useQuery({
    queryKey: ["desk-tickets", id],
    queryFn: () => take(api.GET("/api/v1/admin/tickets/{ticket_id}", at)),
  });
  const refresh = () => client.invalidateQueries({ queryKey: ["desk-tickets"] });
  const close = useMutation({
    mutationFn: () => take(api.POST("/api/v1/admin/tickets/{ticket_id}/close", at)),
    onSuccess: refresh,
    onError: sayFailed,
  });
  const answer = async (text: string) => {
    await take(api.POST("/api/v1/admin/tickets/{ticket_id}/messages", { ...at, body: { text } }));
    sayDone(t("answered_notice"));
    await refresh();
  };
  return (
    <LoadedPage title={t("tickets")} query={query}>
      {({ ticket, messages }) => (
        <TicketView
          subject={ticket.subject}
          status={ticket.status}
          messages={messages}
          side="desk"
          author={(message) => (message.is_staff ? message.author_email || t("support") : ticket.email)}
          about={<MemberLink id={ticket.account_id} email={ticket.email} />}
        >
          <Reply key={ticket.id} label={t("answer")} hint={t("answer_hint")} action={t("send_answer")} onSend={answer}>
            {ticket.status !== "closed" && (
              <Button variant="default" loading={close.isPending} onClick={() => close.mutate()}>
                {t("close_ticket")}
              </Button>
            )}
          </Reply>
        </TicketView>
      )}
    </LoadedPage>
  );
}
