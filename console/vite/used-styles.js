import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import postcss from "postcss";

const CORE = resolve(import.meta.dirname, "../node_modules/@mantine/core");
const OTHERS = [resolve(import.meta.dirname, "../src"), resolve(import.meta.dirname, "../node_modules/@mantine/notifications/esm")];
const IMPORTED = /import\s*\{([^}]*)\}\s*from\s*"@mantine\/core"/g;
const RELATIVE = /from\s*"(\.{1,2}\/[^"]+\.mjs)"/g;
const CLASS = /m_[0-9a-f]+/g; // what Mantine calls its classes

function filesUnder(folder, ending) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The classes of every component that is imported, and of those that these are made of. */
function usedClasses() {
  const components = new Map(
    filesUnder(join(CORE, "esm/components"), /^[A-Z]\w*\.mjs$/).map((path) => [basename(path, ".mjs"), path]),
  );
  const texts = OTHERS.flatMap((folder) => filesUnder(folder, /\.(tsx?|mjs)$/)).map((path) => readFileSync(path, "utf8"));
  const names = texts.flatMap((text) => [...text.matchAll(IMPORTED)].flatMap(([, list]) => list.split(",")));
  const waiting = names.map((name) => components.get(name.trim().split(" ")[0])).filter(Boolean);
  const seen = new Set();
  const classes = new Set();
  while (waiting.length > 0) {
    const path = waiting.pop();
    if (seen.has(path)) continue;
    seen.add(path);
    const text = readFileSync(path, "utf8");
    if (path.endsWith(".module.mjs")) for (const name of text.match(CLASS) ?? []) classes.add(name);
    for (const [, relative] of text.matchAll(RELATIVE)) waiting.push(join(dirname(path), relative));
  }
  return classes;
}

/** Of Mantine's stylesheet, which has all of its components, leaves only what the console uses. */
export function usedStyles() {
  return {
    name: "used-styles",
    apply: "build",
    enforce: "pre",
    transform(css, id) {
      if (id.split("?")[0] !== join(CORE, "styles.css")) return null;
      const classes = usedClasses();
      const sheet = postcss.parse(css);
      sheet.walkRules((rule) => {
        rule.selectors = rule.selectors.filter((one) => (one.match(CLASS) ?? []).every((name) => classes.has(name)));
        if (rule.selector === "") rule.remove();
      });
      sheet.walkAtRules((rule) => {
        if (rule.nodes?.length === 0) rule.remove();
      });
      return { code: sheet.toString(), map: null };
    },
  };
}
