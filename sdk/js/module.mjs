// A core module in its binary form, as far as a snapshot changes it: one memory that active segments fill, and globals that
// are 32-bit integers, which is what an engine is. Anything else is refused.

const MEMORY = 5;
const GLOBAL = 6;
const EXPORT = 7;
const START = 8;
const DATA = 11;
const DATA_COUNT = 12;

const KIND_GLOBAL = 3;
const I32 = 0x7f;
const I32_CONST = 0x41;
const END = 0x0b;

const PAGE = 65536;

/** Zeros between two pieces of memory that cost less than another segment would. */
const GAP = 8;

/** Engines take no more than this. */
const MOST_SEGMENTS = 100_000;

/** The module with its globals exported besides, where `withState` looks for them. */
export function observable(module) {
  const [, globals] = sections(module).find(([id]) => id === GLOBAL);
  const more = items(globals, global).map((_, index) => Buffer.concat([text(nameOf(index)), bytes(KIND_GLOBAL), unsigned(index)]));
  return changed(module, (id, content) => {
    return id === EXPORT ? list([...items(content, exported).map((item) => item.whole), ...more]) : content;
  });
}

/** The module that begins with what an instance of it has in memory and globals now. `without` are exports that it has no more. */
export function withState(module, { memory, ...instance }, without) {
  const now = Buffer.from(memory.buffer);
  const segments = segmentsOf(now);
  return changed(module, (id, content) => {
    switch (id) {
      case MEMORY:
        return list(items(content, limits).map(({ flags, most }) => Buffer.concat([bytes(flags), unsigned(now.length / PAGE), most])));
      case GLOBAL:
        return list(items(content, global).map(({ head }, index) => Buffer.concat([head, constant(instance[nameOf(index)].value)])));
      case EXPORT:
        return list(items(content, exported).filter(({ name }) => !without.includes(name)).map((item) => item.whole));
      case START:
        return null;
      case DATA_COUNT:
        return unsigned(segments.length);
      case DATA:
        return list(segments.map(([from, to]) => Buffer.concat([bytes(0), constant(from), unsigned(to - from), now.subarray(from, to)])));
      default:
        return content;
    }
  });
}

/** Where something else than zeros is, as `[from, to]`. */
function segmentsOf(memory) {
  for (let gap = GAP; ; gap *= 2) {
    const segments = [];
    for (let at = 0; at < memory.length; at++) {
      if (memory[at] === 0) continue;
      const last = segments.at(-1);
      if (last && at - last[1] < gap) last[1] = at + 1;
      else segments.push([at, at + 1]);
    }
    if (segments.length <= MOST_SEGMENTS) return segments;
  }
}

function nameOf(index) {
  return `global ${index} of the snapshot`;
}

/** The sections in their order: `[id, content]`. */
function sections(module) {
  const reader = new Reader(module.subarray(8));
  const all = [];
  while (!reader.atEnd()) {
    const id = reader.byte();
    all.push([id, reader.take(reader.unsigned())]);
  }
  return all;
}

/** The module with each section's content as `change` makes it, without those that it makes null. */
function changed(module, change) {
  const parts = sections(module).map(([id, content]) => [id, change(id, content)]);
  const kept = parts.filter(([, content]) => content !== null);
  return Buffer.concat([module.subarray(0, 8), ...kept.flatMap(([id, content]) => [bytes(id), unsigned(content.length), content])]);
}

/** What `read` makes of each item of a section that is a list; `whole` is the item itself. */
function items(content, read) {
  const reader = new Reader(content);
  return Array.from({ length: reader.unsigned() }, () => {
    const from = reader.at;
    const item = read(reader);
    return { ...item, whole: content.subarray(from, reader.at) };
  });
}

function limits(reader) {
  const flags = reader.byte();
  if (flags > 1) throw new Error('the module has a memory that is shared or of 64 bits');
  const from = (reader.unsigned(), reader.at);
  if (flags === 1) reader.unsigned();
  return { flags, most: reader.bytes.subarray(from, reader.at) };
}

function global(reader) {
  const head = reader.take(2);
  const simple = head[0] === I32 && reader.byte() === I32_CONST;
  if (!simple || (reader.unsigned(), reader.byte()) !== END) throw new Error('the module has a global that is no plain 32-bit integer');
  return { head };
}

function exported(reader) {
  const name = reader.take(reader.unsigned()).toString();
  reader.byte();
  reader.unsigned();
  return { name };
}

class Reader {
  at = 0;

  constructor(bytes) {
    this.bytes = bytes;
  }

  atEnd() {
    return this.at === this.bytes.length;
  }

  byte() {
    return this.bytes[this.at++];
  }

  take(count) {
    return this.bytes.subarray(this.at, (this.at += count));
  }

  /** A number as LEB128. What a signed one would be, nobody here asks. */
  unsigned() {
    for (let number = 0, factor = 1; ; factor *= 128) {
      const byte = this.byte();
      number += (byte & 127) * factor;
      if (byte < 128) return number;
    }
  }
}

function bytes(...values) {
  return Buffer.from(values);
}

function unsigned(number) {
  const out = [];
  for (; number > 127; number = Math.floor(number / 128)) out.push((number % 128) | 128);
  return bytes(...out, number);
}

/** An expression that is a 32-bit integer. */
function constant(number) {
  const out = [];
  for (; number < -64 || number > 63; number >>= 7) out.push((number & 127) | 128);
  return bytes(I32_CONST, ...out, number & 127, END);
}

function text(string) {
  const encoded = Buffer.from(string);
  return Buffer.concat([unsigned(encoded.length), encoded]);
}

function list(all) {
  return Buffer.concat([unsigned(all.length), ...all]);
}
