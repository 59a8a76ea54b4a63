// What is asked: a document, and operations on it (RFC 6902). Everything that comes is unknown until it is read.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A place in a document (RFC 6901), as the names that lead there. */
export type Path = readonly string[];

/** One operation, and where it stands in the request. */
export type Operation = { readonly at: string; readonly path: Path } & (
  | { readonly op: 'add' | 'replace' | 'test'; readonly value: Json }
  | { readonly op: 'remove' }
  | { readonly op: 'move' | 'copy'; readonly from: Path }
);

/** Why something cannot be done. `pointer` is the part of the request that it is about. */
export class Fault extends Error {
  constructor(
    readonly status: 400 | 409 | 422,
    message: string,
    readonly pointer: string,
  ) {
    super(message);
  }
}

export function read(asked: Json): { document: Json; patch: Operation[] } {
  const { document, patch } = object(asked, '');
  if (document === undefined) throw new Fault(422, 'There is no document.', '/document');
  if (!Array.isArray(patch)) throw new Fault(422, 'The patch is not a list of operations.', '/patch');
  return { document, patch: patch.map((item, index) => operation(item, `/patch/${index}`)) };
}

function operation(item: Json, at: string): Operation {
  const { op, path, from, value } = object(item, at);
  const target = { at, path: pointer(path, `${at}/path`) };
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (value === undefined) throw new Fault(422, `"${op}" takes a value.`, `${at}/value`);
      return { ...target, op, value };
    case 'remove':
      return { ...target, op };
    case 'move':
    case 'copy':
      return { ...target, op, from: pointer(from, `${at}/from`) };
    default:
      throw new Fault(422, 'An operation is add, remove, replace, move, copy or test.', `${at}/op`);
  }
}

function object(value: Json, at: string): { [name: string]: Json | undefined } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Fault(422, 'This is not an object.', at);
  return value;
}

function pointer(value: Json | undefined, at: string): Path {
  if (typeof value !== 'string' || !/^(\/([^~]|~[01])*)?$/s.test(value)) throw new Fault(422, 'This is not a JSON Pointer.', at);
  return value.split('/').slice(1).map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}
