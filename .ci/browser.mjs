// Runs affinet in Pyodide under node: `node browser.mjs FOLDER WHEEL REPOSITORY [PYTEST OPTIONS]`.
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, wheel, repository, ...options] = process.argv.slice(2);
try {
  const { loadPyodide } = createRequire(`${folder}/`)("pyodide");
  const python = await loadPyodide({ indexURL: `${folder}/node_modules/pyodide/` });
  const extractDir = python.runPython("import site; site.getsitepackages()[0]");
  const numpy = readdirSync(folder).filter((name) => /^numpy-.*\.whl$/.test(name));
  const testing = readdirSync(`${folder}/testing`).map((name) => `testing/${name}`);
  for (const file of [...[...numpy, ...testing].map((name) => `${folder}/${name}`), wheel]) {
    python.unpackArchive(new Uint8Array(readFileSync(file)), "wheel", { extractDir });
  }
  python.FS.mkdirTree("/repository");
  python.mountNodeFS("/repository", repository);
  python.globals.set("options", python.toPy(options));
  python.runPython(readFileSync(`${repository}/.ci/browser_run.py`, "utf8"));
} catch (error) {
  console.error(error.message); // without it node shows a line of Pyodide, a megabyte long
  process.exit(1);
}
