// Keys, variables, SQLite, PostgreSQL and a call, as users of Spin's SDK for JavaScript write them: the last segment of the path says
// which.
import { Kv, Postgres, ResponseBuilder, Sqlite, Variables } from '@fermyon/spin-sdk';

const behaviours = {
  variable: (asked) => Variables.get(asked.get('name')),
  keys(asked) {
    const store = Kv.open(asked.get('store'));
    store.setJson('language', { name: 'JavaScript' });
    store.set('other', 'gone');
    store.delete('other');
    return [store.getJson('language'), store.exists('other'), store.getKeys()];
  },
  sqlite(asked) {
    const database = Sqlite.open(asked.get('db'));
    database.execute('CREATE TABLE IF NOT EXISTS town (name TEXT PRIMARY KEY, height REAL)', []);
    database.execute('INSERT OR REPLACE INTO town VALUES (?, ?)', ['Basel', 260.5]);
    database.execute('INSERT OR REPLACE INTO town VALUES (?, ?)', ['Sion', 491]);
    return database.execute('SELECT name, height FROM town ORDER BY name', []).rows;
  },
  postgres(asked) {
    const database = Postgres.open(asked.get('db'));
    database.execute('CREATE TABLE IF NOT EXISTS town (name text PRIMARY KEY, height float8, people int8)', []);
    database.execute('DELETE FROM town', []);
    database.execute('INSERT INTO town VALUES ($1, $2, $3)', ['Basel', 260.5, 173000]);
    return database.query('SELECT name, height, people FROM town WHERE people > $1', [170000]).rows;
  },
  async call(asked) {
    const answer = await fetch(asked.get('url'));
    return [answer.status, await answer.text()];
  },
};

async function handle(request, response) {
  const url = new URL(request.url);
  try {
    const told = await behaviours[url.pathname.split('/').pop()](url.searchParams);
    // Numbers of 64 bits come as BigInt, which JSON has not.
    const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
    response.set({ 'content-type': 'application/json' }).send(JSON.stringify(told, plain));
  } catch (error) {
    response.status(502).send(error.payload?.tag ?? String(error));
  }
}

addEventListener('fetch', (event) => {
  event.respondWith(new Promise((resolve) => handle(event.request, new ResponseBuilder(resolve))));
});
