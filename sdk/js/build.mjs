// node wasmbay/build.mjs SOURCE COMPONENT
//
// Makes a wasi:http component of a module that has `export default { fetch }`: bundles it with what it imports (types
// are stripped, packages of node_modules are taken in), and lets componentize-js put it beside a JavaScript engine.
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const [source, component] = process.argv.slice(2);
if (!component) {
  console.error('usage: node wasmbay/build.mjs SOURCE COMPONENT');
  process.exit(64);
}

const serve = fileURLToPath(new URL('serve.js', import.meta.url));
const folder = dirname(resolve(component));
await mkdir(folder, { recursive: true });
const work = await mkdtemp(join(folder, '.build-'));
try {
  const { build, componentize } = await tools(work);
  const bundle = join(work, 'plugin.js');
  await build({
    stdin: {
      contents: `import plugin from ${JSON.stringify(resolve(source))};
        import { serve } from ${JSON.stringify(serve)};
        export const incomingHandler = serve(plugin);`,
      resolveDir: process.cwd(),
    },
    outfile: bundle,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['worker', 'browser'],
    external: ['wasi:*'],
    keepNames: true,
    logLevel: 'warning',
  });
  const made = await componentize({
    sourcePath: bundle,
    witPath: fileURLToPath(new URL('wit', import.meta.url)),
    worldName: 'plugin',
    wizerBin: await snapshots(work),
  });
  // At once: a host may watch the place.
  const unfinished = join(work, 'plugin.wasm');
  await writeFile(unfinished, made.component);
  await rename(unfinished, component);
} catch (error) {
  // esbuild has said what is wrong with the source.
  if (!error.errors) console.error(error.message ?? error);
  process.exitCode = 1;
} finally {
  await rm(work, { recursive: true });
}

/** The packages that build: the plugin's own, which a module in its folder finds wherever this file lies. */
async function tools(work) {
  const file = join(work, 'tools.mjs');
  await writeFile(
    file,
    `export { build } from 'esbuild';
    export { componentize } from '@bytecodealliance/componentize-js';`,
  );
  return import(pathToFileURL(file));
}

/** A program that componentize-js takes for Wizer. */
async function snapshots(work) {
  const quoted = (path) => `'${path.replaceAll("'", "'\\''")}'`;
  const program = join(work, 'snapshot');
  const script = fileURLToPath(new URL('snapshot.mjs', import.meta.url));
  await writeFile(program, `#!/bin/sh\nexec ${quoted(process.execPath)} --no-warnings ${quoted(script)} "$@"\n`, { mode: 0o755 });
  return program;
}
