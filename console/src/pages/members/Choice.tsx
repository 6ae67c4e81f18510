import { Select } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { withParam } from "./Search";

interface Props {
  name: string; // of the address's parameter
  label: string;
  data: { value: string; label: string }[];
}

/** A filter that stands in the address; nothing chosen is all. */
export function Choice({ name, label, data }: Props) {
  const { t } = useTranslation("members");
  const [params, setParams] = useSearchParams();
  return (
    <Select
      label={label}
      placeholder={t("all")}
      data={data}
      value={params.get(name)}
      onChange={(value) => setParams(withParam(params, name, value ?? ""), { replace: true })}
      clearable
      clearButtonProps={{ "aria-label": t("clear", { what: label }) }}
      w={150}
    />
  );
}
