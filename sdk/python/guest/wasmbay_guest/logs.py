"""What the application logs goes to its standard error, which the host keeps as the plugin's log."""

import linecache
import logging
import sys


def configure():
    """Sets up the root logger as long as the application has not: INFO and above, one line each."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")


def keep_sources(folder):
    """Keeps the application's source lines, so that tracebacks show them where there are no files to read."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.startswith(folder) and file.endswith(".py"):
            lines = linecache.getlines(file)
            # Without a time, an entry is never looked up again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
