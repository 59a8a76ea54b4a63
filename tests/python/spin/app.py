"""What Spin's SDK of Python offers, by the last segment of the path: `variable?name=`, `keys?store=`, `sql?db=`,
`call?url=`, `postgres`, `fail`. Built as Spin's authors build it, by componentize-py alone."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err
from spin_sdk import http, key_value, postgres, sqlite, util, variables
from spin_sdk.http import Request, Response


async def variable(asked):
    return await variables.get(asked["name"])


async def keys(asked):
    """Sets, reads, lists and deletes."""
    with await key_value.open(asked["store"]) as store:
        await store.set("language", b"python")
        await store.set("other", bytes([0, 255]))
        value, there = await store.get("language"), await store.exists("other")
        names = sorted(await util.collect(await store.get_keys()))
        await store.delete("other")
        return f"{value.decode()} {there} {','.join(names)} {await store.get('other')}"


async def sql(asked):
    """Makes a table, fills it and reads it."""
    with await sqlite.Connection.open(asked["db"]) as database:
        async def run(statement, *values):
            columns, rows, end = await database.execute(statement, list(values))
            return columns, await util.collect((rows, end))

        await run("CREATE TABLE IF NOT EXISTS towns (name TEXT, height REAL)")
        await run("DELETE FROM towns")
        for name, height in (("Sion", 491.0), ("Basel", 260.5)):
            await run("INSERT INTO towns VALUES (?, ?)", sqlite.Value_Text(name), sqlite.Value_Real(height))
        columns, rows = await run("SELECT name, height FROM towns WHERE height > ? ORDER BY name", sqlite.Value_Integer(1))
        return f"{columns} " + "; ".join(",".join(str(value.value) for value in row.values) for row in rows)


async def call(asked):
    answer = await http.send(Request("GET", asked["url"], {}, None))
    return f"{answer.status} {answer.body.decode()}"


async def databases(asked):
    return await postgres.Connection.open(asked["address"])


async def fail(asked):
    raise RuntimeError("nobody catches this")


ASKED = {"variable": variable, "keys": keys, "sql": sql, "call": call, "postgres": databases, "fail": fail}


class HttpHandler(http.Handler):
    async def handle_request(self, request: Request) -> Response:
        parts = urlsplit(request.uri)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        behaviour = parts.path.rsplit("/", 1)[-1]
        try:
            text, status = await ASKED[behaviour](asked), 200
        except Err as error:
            text, status = f"{error.value!r}", 502
        return Response(status, {"content-type": "text/plain"}, text.encode())
