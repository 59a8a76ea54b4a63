"""Three calls at once and a query, in FastAPI: what `tests/guests/io` does as a plugin. It answers what it was answered."""

import asyncio
import os
from contextlib import asynccontextmanager

import asyncpg
import httpx
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

UPSTREAM = os.environ["UPSTREAM"]
CONNECTIONS = int(os.environ["CONNECTIONS"])


@asynccontextmanager
async def lifespan(app: FastAPI):
    # Its own limits are 100 connections, 20 of them kept.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx.AsyncClient(limits=limits)
    pool = asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=CONNECTIONS)
    async with client as app.state.client, pool as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/io", response_class=PlainTextResponse)
async def io() -> str:
    answers = await asyncio.gather(call(), call(), call())
    number = await app.state.pool.fetchval("SELECT 1::int4 FROM pg_sleep(0.02)")
    return f"{''.join(answers)}{number}\n"


async def call() -> str:
    answer = await app.state.client.get(UPSTREAM)
    return answer.text
