import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useAddress } from "@/ui/address";

interface Props {
  name: string; // of the address's parameter
  label: string;
  data: { value: string; label: string }[];
}

/** A filter that stands in the address; nothing chosen is all. */
export function Filter({ name, label, data }: Props) {
  const { t } = useTranslation("members");
  const { text, set } = useAddress();
  return (
    <Select
      label={label}
      placeholder={t("all")}
      data={data}
      value={text(name) || null}
      onChange={(value) => set({ [name]: value })}
      clearable
      clearButtonProps={{ "aria-label": t("clear", { what: label }) }}
      w={150}
    />
  );
}
