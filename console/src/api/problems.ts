/** What the API answers instead of a result: RFC 9457, already in the reader's language. */
export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail?: string;
  code?: string;
  errors?: { field: string; message: string }[];
}

export class Problem extends Error {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly fields: Record<string, string>;
  readonly retryAfterS: number | null;

  constructor(body: ProblemBody, retryAfterS: number | null = null) {
    super(body.detail || body.title);
    this.name = "Problem";
    this.title = body.title;
    this.status = body.status;
    this.code = body.code ?? "";
    this.fields = Object.fromEntries((body.errors ?? []).map((one) => [one.field, one.message]));
    this.retryAfterS = retryAfterS;
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("unreachable");
    this.name = "Unreachable";
  }
}
