"""{{name}}: a FastAPI application like any other. `plugin.toml` says which requests come here."""

import logging

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

log = logging.getLogger("{{name}}")
app = FastAPI(title="{{name}}", docs_url="/{{name}}/docs", openapi_url="/{{name}}/openapi.json")


@app.get("/{{name}}/hello/{who}")
async def hello(who: str, times: int = 1) -> dict[str, str]:
    log.info("greeting %s", who)
    return {"greeting": " ".join([f"hello {who}"] * times)}


@app.post("/{{name}}/sum")
async def add(numbers: list[float]) -> dict[str, float]:
    return {"sum": sum(numbers)}


@app.post("/{{name}}/echo")
async def echo(request: Request) -> StreamingResponse:
    """Sends a body back while it still comes in."""
    return StreamingResponse(request.stream(), media_type=request.headers.get("content-type"))


@app.get("/{{name}}/fail")
async def fail() -> None:
    raise RuntimeError("nobody catches this: FastAPI answers 500, and the log has the traceback")


class Refused(Exception):
    """Something that this application will not do."""


@app.exception_handler(Refused)
async def refused(_request: Request, error: Refused) -> JSONResponse:
    problem = {"title": "Bad Request", "status": 400, "detail": str(error)}
    return JSONResponse(problem, 400, media_type="application/problem+json")


@app.get("/{{name}}/half/{number}")
async def half(number: int) -> dict[str, int]:
    if number % 2:
        raise Refused(f"{number} is odd")
    return {"half": number // 2}
