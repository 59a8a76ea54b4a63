"""{{name}}: a FastAPI application like any other. `plugin.toml` says which requests come here."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

log = logging.getLogger("{{name}}")
app = FastAPI(title="{{name}}", docs_url="/{{name}}/docs", openapi_url="/{{name}}/openapi.json")


@app.get("/{{name}}/hello/{who}", response_class=PlainTextResponse)
async def hello(who: str, times: int = 1) -> str:
    log.info("greeting %s", who)
    return f"hello {who}\n" * times


@app.post("/{{name}}/sum")
async def add(numbers: list[float]) -> dict[str, float]:
    return {"sum": sum(numbers)}


@app.post("/{{name}}/echo")
async def echo(request: Request) -> StreamingResponse:
    """Sends a body back while it still comes in."""
    kind = request.headers.get("content-type", "application/octet-stream")
    return StreamingResponse(request.stream(), headers={"content-type": kind})


@app.get("/{{name}}/fail")
async def fail() -> None:
    raise RuntimeError("nobody catches this: FastAPI answers 500, and the log has the traceback")


@app.exception_handler(RequestValidationError)
async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
    """Where FastAPI's own answer would be 422, with a format of its own."""
    where = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    problem = {"title": "Bad Request", "status": 400, "detail": "; ".join(where)}
    return JSONResponse(problem, 400, media_type="application/problem+json")
