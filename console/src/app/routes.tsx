import type { Area } from "./area";
import { area as home } from "@/pages/home/routes";

/** Every area of the console, one line each. */
export const AREAS: Area[] = [home];
