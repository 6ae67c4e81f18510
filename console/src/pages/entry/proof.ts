import { api, take } from "@/api/client";

const SLICE_MS = 12; // work between two frames, so that the page stays alive
const WORDS = 64;

/** Finds the number that the API's challenge asks for, and returns what the form has to send: altcha, version 2, with
 * SHA-256. It is computed here because WebCrypto is missing where a site is reached without https. */
export async function solve(): Promise<string> {
  const challenge = await take(api.GET("/api/v1/proof-of-work"));
  const { salt, nonce, keyPrefix } = challenge.parameters as Record<"salt" | "nonce" | "keyPrefix", string>;
  const block = blockOf(bytesOf(salt + nonce));
  const wanted = wordsOf(bytesOf(keyPrefix.slice(0, 32)));
  for (let counter = 0; ; ) {
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until) {
      for (let step = 0; step < 500; step++, counter++) {
        block[COUNTER] = counter;
        const digest = hash(block);
        if (wanted.every((word, index) => digest[index] === word)) {
          const solution = { counter, derivedKey: hexOf(digest) };
          return btoa(JSON.stringify({ challenge, solution }));
        }
      }
    }
    await new Promise((resume) => setTimeout(resume));
  }
}

const COUNTER = 8; // the word of the block that has the counter: after 16 bytes of salt and 16 of nonce

/** The one block that is hashed (FIPS 180-4, 5.1.1): salt, nonce, a counter of four bytes, padding, length. */
function blockOf(bytes: Uint8Array): Uint32Array {
  const block = new Uint32Array(16);
  block.set(wordsOf(bytes));
  block[COUNTER + 1] = 0x80000000;
  block[15] = (bytes.length + 4) * 8;
  return block;
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
}

function hexOf(words: Uint32Array): string {
  return Array.from(words, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** The first 32 bits of the fractional parts of roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3). */
function fractions(root: (prime: number) => number, count: number): Uint32Array {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number++) {
    if (primes.every((prime) => number % prime)) primes.push(number);
  }
  return Uint32Array.from(primes, (prime) => Math.floor((root(prime) % 1) * 2 ** 32));
}

const START = fractions(Math.sqrt, 8);
const ROUND = fractions(Math.cbrt, WORDS);
const schedule = new Uint32Array(WORDS);

/** SHA-256 of a message that is one padded block (FIPS 180-4, 6.2.2). */
function hash(block: Uint32Array): Uint32Array {
  const w = schedule;
  w.set(block);
  for (let t = 16; t < WORDS; t++) {
    const x = w[t - 15]!;
    const y = w[t - 2]!;
    const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
    const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
    w[t] = w[t - 16]! + s0 + w[t - 7]! + s1;
  }
  let [a, b, c, d, e, f, g, h] = START as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < WORDS; t++) {
    const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t]! + w[t]!) | 0;
    const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + one) | 0;
    d = c;
    c = b;
    b = a;
    a = (one + two) | 0;
  }
  return Uint32Array.from([a, b, c, d, e, f, g, h], (word, index) => word + START[index]!);
}

function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
