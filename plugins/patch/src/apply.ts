// The operations of RFC 6902. A document that is handed in stays as it is: what an operation changes is made anew, from the place up to the root.

import { type Json, type Operation, type Path, Fault } from './patch';

/** The document after an operation. */
export function apply(document: Json, operation: Operation): Json {
  const { at, path } = operation;
  switch (operation.op) {
    case 'add':
      return insert(document, path, operation.value, at);
    case 'remove':
      return remove(document, path, at);
    case 'replace':
      return replace(document, path, operation.value, at);
    case 'move': {
      const { from } = operation;
      const into = from.length < path.length && from.every((name, index) => name === path[index]);
      if (into) throw new Fault(422, 'Nothing can be moved into itself.', at);
      return insert(remove(document, from, at), path, find(document, from, at), at);
    }
    case 'copy':
      return insert(document, path, find(document, operation.from, at), at);
    case 'test':
      if (!same(find(document, path, at), operation.value)) throw new Fault(409, 'The document has another value there.', at);
      return document;
    default:
      return operation satisfies never;
  }
}

function find(document: Json, path: Path, at: string): Json {
  return path.reduce((value, name) => child(value, name, at), document);
}

function child(parent: Json, name: string, at: string): Json {
  if (Array.isArray(parent)) return parent[index(name, parent.length - 1, at)]!;
  if (typeof parent === 'object' && parent !== null && Object.hasOwn(parent, name)) return parent[name]!;
  throw new Fault(409, `The document has no "${name}" there.`, at);
}

/** An index as RFC 6901 writes one, not above `last`. */
function index(name: string, last: number, at: string): number {
  if (!/^(0|[1-9]\d*)$/.test(name)) throw new Fault(409, `"${name}" is no index of a list.`, at);
  if (Number(name) > last) throw new Fault(409, `The list ends before ${name}.`, at);
  return Number(name);
}

/** What `change` makes of the parent of a place, in an otherwise equal document. `whole` where the place is the root. */
function within(document: Json, path: Path, at: string, whole: () => Json, change: (parent: Json, name: string) => Json): Json {
  const [name, ...rest] = path;
  if (name === undefined) return whole();
  if (rest.length === 0) return change(document, name);
  return put(document, name, within(child(document, name, at), rest, at, whole, change), at);
}

function insert(document: Json, path: Path, value: Json, at: string): Json {
  return within(document, path, at, () => value, (parent, name) => {
    if (!Array.isArray(parent)) return put(parent, name, value, at);
    return parent.toSpliced(name === '-' ? parent.length : index(name, parent.length, at), 0, value);
  });
}

function replace(document: Json, path: Path, value: Json, at: string): Json {
  return within(document, path, at, () => value, (parent, name) => {
    child(parent, name, at);
    return put(parent, name, value, at);
  });
}

function remove(document: Json, path: Path, at: string): Json {
  return within(document, path, at, () => null, (parent, name) => {
    child(parent, name, at);
    if (Array.isArray(parent)) return parent.toSpliced(Number(name), 1);
    const { [name]: _, ...rest } = parent as { [name: string]: Json };
    return rest;
  });
}

/** A list or an object with one value in its place. */
function put(parent: Json, name: string, value: Json, at: string): Json {
  if (Array.isArray(parent)) return parent.with(index(name, parent.length - 1, at), value);
  if (typeof parent !== 'object' || parent === null) throw new Fault(409, `There is no "${name}" in a value.`, at);
  // Defined, not assigned: a member may be called __proto__.
  return Object.defineProperty({ ...parent }, name, { value, enumerable: true, configurable: true, writable: true });
}

function same(one: Json, other: Json): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  if (Array.isArray(one) || Array.isArray(other)) {
    return Array.isArray(one) && Array.isArray(other) && one.length === other.length && one.every((value, index) => same(value, other[index]!));
  }
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && same(one[name]!, other[name]!));
}
