import { TextPage } from "./TextPage";

export default function PrivacyPage() {
  return <TextPage name="privacy" />;
}
