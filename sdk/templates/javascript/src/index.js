// {{name}}: a fetch handler, as workers have it. plugin.toml says which requests come here.

/** @type {import('../wasmbay/wasmbay').Plugin} */
export default {
  async fetch(request, { params }) {
    const url = new URL(request.url);
    switch (`${request.method} ${url.pathname.split('/')[2]}`) {
      case 'GET hello':
        return hello(params.who, Number(url.searchParams.get('times') ?? 1));
      case 'POST sum':
        return sum(request);
      case 'POST echo': {
        // The body goes through piece by piece: its size does not matter.
        const type = request.headers.get('content-type') ?? 'application/octet-stream';
        return new Response(request.body, { headers: { 'content-type': type } });
      }
      case 'GET fail':
        throw new Error('nobody catches this');
    }
    return problem(404, 'Not Found', 'There is no such path.');
  },
};

/** GET /{{name}}/hello/{who}?times=N */
function hello(who, times) {
  return new Response(`hello ${who}\n`.repeat(times), { headers: { 'content-type': 'text/plain; charset=utf-8' } });
}

/** POST /{{name}}/sum with a JSON list of numbers */
async function sum(request) {
  const numbers = await request.json().catch(() => null);
  if (!Array.isArray(numbers) || numbers.some((number) => typeof number !== 'number')) {
    return problem(400, 'Bad Request', 'The body is not a list of numbers.');
  }
  return Response.json({ sum: numbers.reduce((total, number) => total + number, 0) });
}

/** An error in the form of RFC 9457. */
function problem(status, title, detail) {
  return Response.json({ title, status, detail }, { status, headers: { 'content-type': 'application/problem+json' } });
}
