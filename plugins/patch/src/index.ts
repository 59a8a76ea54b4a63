// patch: changes a JSON document as a JSON Patch says. plugin.toml says which requests come here.

import type { Plugin } from '../../../sdk/js/wasmbay';
import { apply } from './apply';
import { type Json, Fault, read } from './patch';

export default {
  async fetch(request) {
    let asked: Json;
    try {
      asked = await request.json();
    } catch {
      return problem(new Fault(400, 'The body is not JSON.', ''));
    }
    try {
      const { document, patch } = read(asked);
      return Response.json(patch.reduce(apply, document));
    } catch (error) {
      if (error instanceof Fault) return problem(error);
      throw error;
    }
  },
} satisfies Plugin;

const TITLES = { 400: 'Bad Request', 409: 'Conflict', 422: 'Unprocessable Content' } as const;

/** An error in the form of RFC 9457; `pointer` says which part of the request it is about. */
function problem({ status, message: detail, pointer }: Fault): Response {
  const body = { title: TITLES[status], status, detail, pointer };
  return Response.json(body, { status, headers: { 'content-type': 'application/problem+json' } });
}
