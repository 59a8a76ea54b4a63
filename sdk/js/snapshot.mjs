// node snapshot.mjs --init-func NAME --dir=SOURCES --mapdir=/::FOLDER -o=OUT IN
//
// Starts an engine and keeps what that left in memory: in the place of Wizer, as componentize-js runs it. What the engine
// learns meanwhile is the same wherever and whenever it is built (paths, the clock, random bytes), and so is what comes out.
import { createHash } from 'node:crypto';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { WASI } from 'node:wasi';

import { observable, withState } from './module.mjs';

const words = process.argv.slice(2);
const option = (name) => words.find((word) => word.startsWith(name)).slice(name.length);
const start = words[words.indexOf('--init-func') + 1];
const [sources, folder] = [option('--dir='), option('--mapdir=/::')];

// The words for the engine itself come on standard input, the source's path last. In the engine's eyes there are just
// /sources and the source: the folders have other names each time.
const told = readFileSync(0, 'utf8').replaceAll(sources, '/sources').replaceAll(folder, '').split(' ');
const path = join(folder, told.pop());
const source = readFileSync(path);
const stdin = join(sources, 'stdin');
writeFileSync(stdin, [...told, basename(path)].join(' '));

const env = { ...process.env };
// What a shell adds by itself.
for (const name of ['PWD', 'OLDPWD', 'SHLVL', '_']) delete env[name];
const preopens = { '/sources': sources, '/': dirname(path) };
const wasi = new WASI({ version: 'preview1', env, preopens, stdin: openSync(stdin) });

const bytes = readFileSync(words.at(-1));
const engine = instantiate(observable(bytes));
wasi.initialize(engine);
engine.exports[start]();
writeFileSync(option('-o='), withState(bytes, engine.exports, [start, '_initialize']));

function instantiate(bytes) {
  const module = new WebAssembly.Module(bytes);
  const memory = () => engine.exports.memory.buffer;
  const imports = { wasi_snapshot_preview1: { ...wasi.wasiImport, ...fixed(memory) } };
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] ??= () => {
      throw new Error(`${from} ${name} cannot be used while the plugin is built`);
    };
  }
  return new WebAssembly.Instance(module, imports);
}

/** What would be another each time. */
function fixed(memory) {
  let drawn = 0;
  return {
    clock_time_get(_clock, _precision, to) {
      new DataView(memory()).setBigUint64(to, 0n, true);
      return 0;
    },
    /** Of the plugin's source: not the same for every plugin there is. */
    random_get(to, length) {
      const bytes = new Uint8Array(memory(), to, length);
      for (let at = 0; at < length; at += 32) {
        const block = createHash('sha256').update(`${drawn++}\n`).update(source).digest();
        bytes.set(block.subarray(0, length - at), at);
      }
      return 0;
    },
    path_filestat_get(...words) {
      const failure = wasi.wasiImport.path_filestat_get(...words);
      // Device and number of a file, and its three times, are nothing of it.
      const view = new DataView(memory(), words.at(-1), 64);
      if (failure === 0) for (const at of [0, 8, 40, 48, 56]) view.setBigUint64(at, 0n, true);
      return failure;
    },
  };
}
