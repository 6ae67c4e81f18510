import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { TFunction } from "i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";

type Schemas = components["schemas"];
export type Channel = Schemas["ChannelAnswer"];
export type Definition = Partial<Schemas["ChannelFields"]>;
export type ModelStanding = Schemas["ModelStandingAnswer"];
export type CredentialStanding = Schemas["CredentialStandingAnswer"];
export type Courses = Schemas["Courses"];
export type Course = Schemas["CourseAnswer"];
export type Span = Courses["span"];
export type BreakerState = ModelStanding["state"];

const LIVE_MS = 3_000; // a look asks every serving process
const CHANNELS_MS = 15_000;
const COURSES_MS = 60_000;
const ALL = 200; // more channels than anybody runs

/** What its kind of upstream is called, in the reader's language where that is not a name. */
export function titleOf(channel: Channel, t: TFunction<"channels">): string {
  return t(`channels:preset.${channel.definition.preset ?? "openai-compatible"}`, { defaultValue: channel.preset_title });
}

export function useChannels() {
  return useQuery({
    queryKey: ["channels"],
    queryFn: () => take(api.GET("/api/v1/channels", { params: { query: { limit: ALL } } })),
    refetchInterval: CHANNELS_MS,
  });
}

export function useChannel(name: string) {
  return useQuery({
    queryKey: ["channels", name],
    queryFn: () => take(api.GET("/api/v1/channels/{name}", { params: { path: { name } } })),
    refetchInterval: CHANNELS_MS,
  });
}

export function useStandings() {
  return useQuery({
    queryKey: ["channel-standings"],
    queryFn: () => take(api.GET("/api/v1/channel-standings")),
    refetchInterval: LIVE_MS,
    placeholderData: keepPreviousData,
  });
}

export function useCourses(span: Span) {
  return useQuery({
    queryKey: ["channel-courses", span],
    queryFn: () => take(api.GET("/api/v1/channel-courses", { params: { query: { span } } })),
    refetchInterval: COURSES_MS,
    placeholderData: keepPreviousData,
  });
}

export function usePresets() {
  return useQuery({
    queryKey: ["presets"],
    queryFn: () => take(api.GET("/api/v1/presets")),
    staleTime: Infinity,
  });
}
