// MySQL by the package that Spin has for it.
import * as Mysql from '@spinframework/spin-mysql';

function answer(asked) {
  const database = Mysql.open(asked.get('db'));
  database.execute('CREATE TABLE IF NOT EXISTS town (name VARCHAR(20) PRIMARY KEY, height DOUBLE, people BIGINT)', []);
  database.execute('REPLACE INTO town VALUES (?, ?, ?)', ['Basel', 260.5, 173000]);
  return database.query('SELECT name, height, people FROM town WHERE people > ?', [170000]).rows;
}

addEventListener('fetch', (event) => {
  const asked = new URL(event.request.url).searchParams;
  const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
  try {
    event.respondWith(new Response(JSON.stringify(answer(asked), plain)));
  } catch (error) {
    event.respondWith(new Response(error.payload?.tag ?? String(error), { status: 502 }));
  }
});
