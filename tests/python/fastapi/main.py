"""A FastAPI application with some of everything, the same under uvicorn and in a component."""

import asyncio
import logging
import os
import random

from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from importlib import metadata
from typing import Annotated, Literal
from uuid import UUID

from fastapi import (APIRouter, BackgroundTasks, Cookie, Depends, FastAPI, File, Form, Header, HTTPException, Path,
                     Query, Request, Response, Security, UploadFile, WebSocket)
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer
from pydantic import BaseModel, ConfigDict, EmailStr, Field, computed_field, field_validator, model_validator

log = logging.getLogger("everything")
times_started = 0
at_import = random.random()
from_import = random.Random()
chosen = random.Random(42)


@asynccontextmanager
async def lifespan(app):
    global times_started
    times_started += 1
    log.info("lifespan begins")
    app.state.started = times_started
    app.state.beats = 0

    async def beat():
        while True:
            app.state.beats += 1
            await asyncio.sleep(0.01)

    app.state.beating = asyncio.create_task(beat())
    yield {"greeting": "from lifespan"}


app = FastAPI(title="Everything", version="1.2.3", lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=5000)
app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"], allow_methods=["*"], allow_headers=["x-mine"])
request_id = ContextVar("request_id", default="none")


@app.middleware("http")
async def security_headers(request: Request, call_next):
    request_id.set(request.headers.get("x-request-id", "unset"))
    response = await call_next(request)
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["x-frame-options"] = "DENY"
    response.headers["content-security-policy"] = "default-src 'self'"
    return response


class Genre(StrEnum):
    novel = "novel"
    poems = "poems"


class Author(BaseModel):
    name: str = Field(min_length=1, max_length=40, examples=["Ada"])
    born: date | None = None


class Book(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, extra="forbid")
    title: str = Field(min_length=1)
    price: Decimal = Field(gt=0, decimal_places=2)
    genre: Genre = Genre.novel
    authors: list[Author] = []
    tags: dict[str, int] = {}
    seen: datetime | None = None

    @field_validator("title")
    @classmethod
    def no_shouting(cls, title):
        if title.isupper():
            raise ValueError("do not shout")
        return title

    @model_validator(mode="after")
    def poems_are_cheap(self):
        if self.genre == Genre.poems and self.price > 100:
            raise ValueError("poems are cheap")
        return self

    @computed_field
    @property
    def initials(self) -> str:
        return "".join(author.name[0] for author in self.authors)


class Empty(Exception):
    """Handled by the application."""


@app.exception_handler(Empty)
async def empty(request: Request, error: Empty):
    return JSONResponse({"title": "Empty", "status": 409, "detail": str(error)}, 409,
                        media_type="application/problem+json")


def database():
    log.info("opened")
    try:
        yield {"books": 3}
    finally:
        log.info("closed")


def page(limit: Annotated[int, Query(ge=1, le=100)] = 10, offset: int = 0):
    return {"limit": limit, "offset": offset}


@app.get("/")
async def index(request: Request):
    return {"greeting": request.state.greeting, "started": app.state.started}


@app.get("/items/{number}")
def item(number: Annotated[int, Path(ge=0)], q: str | None = None, wanted: Annotated[list[str], Query()] = [],
         x_token: Annotated[str | None, Header()] = None, visit: Annotated[str | None, Cookie()] = None):
    if number == 404:
        raise HTTPException(404, "no such item", headers={"x-lost": "yes"})
    return {"number": number, "q": q, "wanted": wanted, "token": x_token, "visit": visit}


@app.get("/typed/{id}/{day}/{kind}")
async def typed(id: UUID, day: date, kind: Literal["a", "b"], span: timedelta = timedelta(hours=1)):
    return {"id": id, "day": day, "kind": kind, "span": span}


@app.get("/paths/{rest:path}")
async def paths(rest: str, request: Request):
    return {"rest": rest, "path": request.url.path, "query": request.url.query, "raw": request.scope["raw_path"].decode(),
            "root_path": request.scope["root_path"], "scheme": request.url.scheme}


@app.post("/books", status_code=201)
async def create(book: Book, response: Response) -> Book:
    response.headers["location"] = "/books/1"
    response.set_cookie("last", book.title, httponly=True, samesite="strict", max_age=60)
    response.set_cookie("second", "cookie")
    return book


@app.put("/books/{number}")
async def replace(number: int, book: Book, author: Author, note: Annotated[str, Field(max_length=5)] = ""):
    return {"number": number, "book": book, "author": author, "note": note}


@app.delete("/books/{number}", status_code=204)
async def remove(number: int):
    return None


@app.get("/pages")
async def pages(store: Annotated[dict, Depends(database)], where: Annotated[dict, Depends(page)]):
    return store | where


@app.get("/empty")
async def nothing():
    raise Empty("there is nothing")


@app.get("/fail")
async def fail():
    unseen = {}
    return unseen["the key that is not there"]


@app.get("/fail-late")
async def fail_late():
    async def pieces():
        yield b"begun"
        raise RuntimeError("in the middle of a stream")
    return StreamingResponse(pieces())


basic = HTTPBasic()


@app.get("/basic")
async def with_basic(who: Annotated[HTTPBasicCredentials, Depends(basic)]):
    return {"who": who.username}


@app.get("/key")
async def with_key(key: Annotated[str, Security(APIKeyHeader(name="x-key"))]):
    return {"key": key}


@app.get("/bearer")
async def with_bearer(token: Annotated[str, Depends(OAuth2PasswordBearer(tokenUrl="token"))]):
    return {"token": token}


@app.post("/form")
async def form(name: Annotated[str, Form()], age: Annotated[int, Form()] = 0):
    return {"name": name, "age": age}


@app.post("/upload")
async def upload(file: UploadFile, note: Annotated[str, Form()] = ""):
    content = await file.read()
    return {"name": file.filename, "type": file.content_type, "size": len(content), "sum": sum(content) % 65536,
            "note": note}


@app.post("/files")
def files(several: Annotated[list[bytes], File()]):
    return {"sizes": [len(one) for one in several]}


@app.post("/echo")
async def echo(request: Request):
    return StreamingResponse(request.stream(), media_type=request.headers.get("content-type"))


@app.post("/count")
async def count(request: Request):
    pieces = [len(piece) async for piece in request.stream()]
    return {"size": sum(pieces)}


@app.get("/stream")
async def stream(n: int = 3):
    async def pieces():
        for number in range(n):
            yield f"piece {number}\n"
            await asyncio.sleep(0.001)
    return StreamingResponse(pieces(), media_type="text/plain")


@app.get("/numbers")
def numbers(n: int = 3):
    return StreamingResponse((f"{number}\n" for number in range(n)), media_type="text/csv")


@app.get("/large")
async def large():
    return {"text": "a" * 10000}


@app.get("/html", response_class=HTMLResponse)
async def html():
    return "<p>grüß dich</p>"


@app.get("/away")
async def away():
    return RedirectResponse("/items/1?q=a b")


@app.api_route("/any", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"],
               include_in_schema=False)  # Its operations are named by a set's order, which differs from one process to the next.
async def any_method(request: Request):
    return PlainTextResponse(request.method + " " + (await request.body()).decode())


@app.get("/together")
async def together():
    async def after(number):
        await asyncio.sleep(0.02 * number)
        return number
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(100)
    except TimeoutError:
        late = True
    async with asyncio.TaskGroup() as group:
        task = group.create_task(after(2))
    return {"gathered": await asyncio.gather(after(3), after(1)), "late": late, "task": task.result(),
            "thread": await asyncio.to_thread(sum, [1, 2])}


@app.get("/background")
async def background(tasks: BackgroundTasks):
    async def later(what):
        await asyncio.sleep(0.01)
        log.info("in the background: %s", what)
    tasks.add_task(later, "done")
    return {"scheduled": True, "request": request_id.get()}


@app.get("/late-import")
async def late_import():
    import wave
    from colorsys import rgb_to_hsv
    return {"module": wave.__name__, "hsv": rgb_to_hsv(1, 1, 1)}


class Reader(BaseModel):
    email: EmailStr


@app.post("/readers")
async def join(reader: Reader):
    return reader


@app.get("/packages/{name}")
async def package(name: str):
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise HTTPException(404, str(error))
    return {"name": found.name, "version": metadata.version(name), "requires": metadata.requires(name),
            "summary": metadata.metadata(name)["Summary"], "text": len(found.read_text("METADATA")),
            "programs": sorted(point.name for point in metadata.entry_points(group="console_scripts", name="email_validator")),
            "listed": found.name in [other.name for other in metadata.distributions()]}


@app.websocket("/ws")
async def socket(websocket: WebSocket):
    await websocket.accept()
    await websocket.send_text("hello")


router = APIRouter(prefix="/instance", tags=["instance"], include_in_schema=False)
gate = None


@router.get("/seeds")
async def seeds():
    return {"random": random.random(), "unchosen": from_import.random(), "chosen": chosen.random(),
            "at_import": at_import, "urandom": os.urandom(8).hex(), "hash": hash("a word")}


@router.get("/beats")
async def beats():
    before = app.state.beats
    while app.state.beats < before + 3:
        await asyncio.sleep(0.005)
    return {"beaten": True}


@router.get("/wait")
async def wait():
    """Waits for what another request of the same instance does."""
    global gate
    gate = asyncio.Event()
    log.info("waiting")
    await gate.wait()
    return {"opened": True}


@router.get("/open")
async def open_gate():
    gate.set()
    return {"opened": True}


@router.get("/thread")
async def thread():
    import threading
    threading.Thread(target=print).start()


@router.get("/socket")
async def connect():
    await asyncio.open_connection("example.com", 80)


@router.get("/log")
async def logs(word: str):
    print("printed", word)
    log.warning("warned %s", word)
    logging.getLogger("deep.down").info("informed %s", word)
    return {"logged": word}


app.include_router(router)
