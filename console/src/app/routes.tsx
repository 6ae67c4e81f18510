import type { Area } from "./area";
import { area as access } from "@/pages/access/routes";
import { area as balance } from "@/pages/balance/routes";
import { area as channels } from "@/pages/channels/routes";
import { area as configuration } from "@/pages/configuration/routes";
import { area as dashboard } from "@/pages/dashboard/routes";
import { area as desk } from "@/pages/desk/routes";
import { area as docs } from "@/pages/docs/routes";
import { area as entry } from "@/pages/entry/routes";
import { area as home } from "@/pages/home/routes";
import { area as invitations } from "@/pages/invitations/routes";
import { area as keys } from "@/pages/keys/routes";
import { area as members } from "@/pages/members/routes";
import { area as models } from "@/pages/models/routes";
import { area as money } from "@/pages/money/routes";
import { area as plans } from "@/pages/plans/routes";
import { area as playground } from "@/pages/playground/routes";
import { area as overview } from "@/pages/overview/routes";
import { area as prices } from "@/pages/prices/routes";
import { area as profile } from "@/pages/profile/routes";
import { area as settings } from "@/pages/settings/routes";
import { area as status } from "@/pages/status/routes";
import { area as texts } from "@/pages/texts/routes";
import { area as usage } from "@/pages/usage/routes";
import { area as wallet } from "@/pages/wallet/routes";

/** Every area of the console, one line each. */
export const AREAS: Area[] = [
  home,
  prices,
  status,
  docs,
  texts,
  dashboard,
  keys,
  usage,
  overview,
  balance,
  playground,
  desk,
  members,
  access,
  settings,
  entry,
  invitations,
  profile,
  wallet,
  money,
  channels,
  models,
  plans,
  configuration,
];
