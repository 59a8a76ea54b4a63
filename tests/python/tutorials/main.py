"""Examples of FastAPI's tutorial, as many as `examples.txt` names, mounted side by side. They come with FastAPI's source."""

import importlib
import pathlib

from fastapi import FastAPI

app = FastAPI()
for name in pathlib.Path(__file__).with_name("examples.txt").read_text().split():
    app.mount("/" + name.replace(".", "/"), importlib.import_module("docs_src." + name).app)
