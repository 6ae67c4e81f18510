import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import mantine from "postcss-preset-mantine";
import { defineConfig } from "vite";
import { usedStyles } from "./vite/used-styles.js";

// What gzip makes smaller; fonts and pictures are packed already.
const TEXT = /\.(js|css|html|svg|json)$/;
const SMALL_BYTES = 1024; // below this the header costs what packing saves

/** Puts a packed copy beside each text file, so that the server packs nothing while it serves. */
function packed() {
  let folder = "";
  return {
    name: "packed",
    apply: "build",
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        if (!entry.isFile() || !TEXT.test(path) || entry.name === "index.html") continue;
        const bytes = await readFile(path);
        if (bytes.length > SMALL_BYTES) await writeFile(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}

const relay = process.env.POSTHOUSE_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), usedStyles(), packed()],
  resolve: { alias: { "@": resolve(import.meta.dirname, "src") } },
  css: { postcss: { plugins: [mantine()] } },
  html: { cspNonce: "__NONCE__" }, // the server puts the answer's own nonce in
  server: { proxy: { "/api": relay, "/v1": relay } },
  build: {
    outDir: process.env.POSTHOUSE_CONSOLE_OUT ?? "../src/posthouse/data/console",
    emptyOutDir: true,
    assetsInlineLimit: 0, // the content security policy allows no data: scripts or styles
    modulePreload: { polyfill: false },
    target: "es2022",
    chunkSizeWarningLimit: 600, // kB, unpacked; what counts is the first view packed, which a test holds
    // Two files rather than a hundred small ones, which pack worse and each cost a round trip: what the first page
    // needs, and what many of the console's pages share.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "base", tags: ["$initial"], priority: 1 },
            { name: "ui", test: /node_modules|src\/(ui|api|app)\//, minShareCount: 6 },
          ],
        },
      },
    },
  },
});
