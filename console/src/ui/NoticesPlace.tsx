import "@mantine/notifications/styles.css";

export { Notifications as default, notifications } from "@mantine/notifications";
