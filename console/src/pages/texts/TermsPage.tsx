import { TextPage } from "./TextPage";

export default function TermsPage() {
  return <TextPage name="terms" />;
}
