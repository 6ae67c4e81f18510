import { TextPage } from "./TextPage";

export default function FaqPage() {
  return <TextPage name="faq" />;
}
