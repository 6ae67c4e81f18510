// WebAuthn's JSON forms, for browsers that have the functions and the older ones that lack them.

interface Described {
  id: string;
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** Whether this browser can make passkeys for this site. They belong to a name: for a bare address there are none. */
export function hasPasskeys(): boolean {
  return "PublicKeyCredential" in window && !isBareAddress(window.location.hostname);
}

function isBareAddress(host: string): boolean {
  return host.startsWith("[") || /^[\d.]+$/.test(host);
}

/** Whether somebody closed the browser's window instead of choosing a passkey: nothing to complain about. */
export function wasPutAway(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
}

/** Make a passkey; the API's options in, what the API wants out. */
export async function createPasskey(options: Record<string, unknown>): Promise<Record<string, unknown>> {
  const user = options.user as { id: string; name: string; displayName: string };
  const excluded = (options.excludeCredentials ?? []) as Described[];
  const made = await navigator.credentials.create({
    publicKey: {
      ...(options as unknown as PublicKeyCredentialCreationOptions),
      challenge: bytes(options.challenge as string),
      user: { ...user, id: bytes(user.id) },
      excludeCredentials: excluded.map((one) => ({ type: "public-key", id: bytes(one.id) })),
    },
  });
  const credential = made as PublicKeyCredential;
  const response = credential.response as AuthenticatorAttestationResponse;
  return described(credential, { attestationObject: response.attestationObject, clientDataJSON: response.clientDataJSON });
}

/** Let a passkey answer; the API's options in, what the API wants out. */
export async function askPasskey(options: Record<string, unknown>): Promise<Record<string, unknown>> {
  const given = await navigator.credentials.get({
    publicKey: {
      ...(options as unknown as PublicKeyCredentialRequestOptions),
      challenge: bytes(options.challenge as string),
      allowCredentials: [],
    },
  });
  const credential = given as PublicKeyCredential;
  const response = credential.response as AuthenticatorAssertionResponse;
  return described(credential, {
    authenticatorData: response.authenticatorData,
    clientDataJSON: response.clientDataJSON,
    signature: response.signature,
  });
}

function described(credential: PublicKeyCredential, parts: Record<string, ArrayBuffer>): Record<string, unknown> {
  const response = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, text(part)]));
  return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
}
