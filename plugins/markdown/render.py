"""markdown: renders what it is sent. A WSGI application without a framework."""

from html import escape

from markdown_it import MarkdownIt

markdown = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False})

PAGE = '<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n{body}'


def title_of(tokens):
    """The text of the first heading."""
    for before, token in zip(tokens, tokens[1:]):
        if before.type == "heading_open":
            return token.content
    return "Untitled"


def app(environ, start_response):
    text = environ["wsgi.input"].read()
    try:
        tokens = markdown.parse(text.decode())
    except UnicodeDecodeError:
        start_response("400 Bad Request", [("content-type", "text/plain")])
        return [b"the text is not UTF-8\n"]
    body = markdown.renderer.render(tokens, markdown.options, {})
    if environ["QUERY_STRING"] == "page":
        body = PAGE.format(title=escape(title_of(tokens)), body=body)
    start_response("200 OK", [("content-type", "text/html; charset=utf-8")])
    return [body.encode()]
